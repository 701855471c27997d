"""Where cells run: each in a process of its own on this machine, or as a Slurm job (slurm.py).

Local processes are forked from a server that has the heavy libraries imported, so a cell costs its own work and not
ten seconds of imports, and starts from the same clean state whichever cells ran before it.
"""

import contextlib
import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Mapping
from multiprocessing import connection, forkserver, resource_tracker
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

from qft.process.files import open_append
from qft.process.signals import Blocked, listen
from qft.progress import start_logging
from qft.records import Cell
from qft.sweeps import cells
from qft.sweeps.attempt import attempt
from qft.sweeps.jobs import Job

log = logging.getLogger(__name__)

PASSED_ON = (signal.SIGTERM, signal.SIGHUP)  # what tells a sweep to stop it tells its cells


class Left(Exception):
    """The sweep ends, and the cell continues without it."""


class Launcher(Protocol):
    """Runs cells; ``run`` is called from several threads at once."""

    def run(self, cell: Cell) -> str | None:
        """Run the cell and return when it has ended: None, or what became of its process. Raises Left."""

    def interrupt(self, number: int) -> None:
        """The sweep was told to stop by this signal: let running cells finish their step and save."""

    def kill(self) -> None:
        """Stop running cells at once."""


class Local:
    """Processes of this machine, ``workers`` at a time; with GPUs, one for each worker."""

    def __init__(self, directory: Path, jobs: Mapping[str, Job], workers: int, threads: int, gpus: int) -> None:
        self.directory, self.jobs = directory, jobs
        self.slots: SimpleQueue[int] = SimpleQueue()
        for k in range(workers):
            self.slots.put(k)
        self.gpus = gpus
        self.threads = threads
        self.running: set[Any] = set()
        self.stopping = False
        os.environ["OMP_NUM_THREADS"] = str(threads)  # read once, when a process loads its libraries
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["qft.sweeps.preload"])
        # Slurm and containers signal every process: the server must outlive its cells, to say how they ended
        resource_tracker.ensure_running()  # before: where the server has to start it, it unblocks signals
        with Blocked(*PASSED_ON):
            forkserver.ensure_running()

    def run(self, cell: Cell) -> str | None:
        """Run the cell in a process; one that dies without a word costs this cell alone."""
        slot = self.slots.get()
        try:
            gpu = slot % self.gpus if self.gpus else None
            process = self.context.Process(
                target=work, args=(self.directory, cell, self.jobs[cell.name], self.threads, gpu), daemon=False
            )
            process.start()
            self.running.add(process)
            if self.stopping:  # asked while the process was being started
                self._tell(process)
            process.join()
            self.running.discard(process)
        finally:
            self.slots.put(slot)
        if process.exitcode is not None and process.exitcode < 0:
            return f"its process was killed ({signal.Signals(-process.exitcode).name}); out of memory, perhaps"
        return None if process.exitcode in (0, 130) else f"its process ended with code {process.exitcode}"

    def interrupt(self, number: int) -> None:
        log.warning("finishing the running steps and saving; Ctrl-C again stops at once")
        self.stopping = True
        for process in list(self.running):
            self._tell(process)

    def _tell(self, process: Any) -> None:
        with contextlib.suppress(ProcessLookupError, TypeError):
            os.kill(process.pid, signal.SIGTERM)

    def kill(self) -> None:
        for process in list(self.running):
            process.kill()


def work(directory: Path, cell: Cell, job: Job, threads: int, gpu: int | None = None) -> None:
    """Body of a cell's process: quiet, deaf to the terminal's Ctrl-C, gone when its sweep is gone."""
    os.setpgid(0, 0)  # Ctrl-C goes to the sweep, which passes it on
    listen(signal.SIGINT, signal.SIGTERM, postpone=True)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = _visible(gpu)
    folder = directory / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    with open_append(folder / f"{cell.name}.txt") as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
    start_logging(verbose=job.config.verbose)
    import torch

    torch.set_num_threads(threads)
    try:
        attempt(directory, cell, job)
    except KeyboardInterrupt:
        sys.exit(130)


def _die_with_parent() -> None:
    """A killed sweep leaves no process behind: the pipe from it closes with it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _visible(gpu: int) -> str:
    """The device of this index among those the sweep itself may see."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return visible.split(",")[gpu] if visible else str(gpu)


def died(directory: Path, cell: Cell, reason: str, state: str) -> None:
    """Note a cell whose process is gone and could not do it itself: failed, or interrupted by the user."""
    left = cells.read_state(directory, cell.name)
    if left is None or left.state == "running" or left.id != cell.id:
        cells.end(directory, cell, state, reason if state == "failed" else None)
