"""Where cells run: each in a process of its own on this machine, or as a Slurm job.

Local processes are forked from a server that has the heavy libraries imported, so a cell costs its own work and not
ten seconds of imports, and starts from the same clean state whichever cells ran before it.
"""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Mapping
from multiprocessing import connection
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

from qft.errors import QftError
from qft.process import append
from qft.sweeps import cells
from qft.sweeps.attempt import Execute, attempt
from qft.sweeps.cells import Cell


class Launcher(Protocol):
    """Runs cells; ``run`` is called from several threads at once."""

    def run(self, cell: Cell) -> str | None:
        """Run the cell and return when it has ended: None, or what became of its process."""

    def interrupt(self) -> None:
        """Let running cells finish their step and save."""

    def kill(self) -> None:
        """Stop running cells at once."""


class Local:
    """Processes of this machine, ``workers`` at a time; with GPUs, one for each worker."""

    def __init__(self, directory: Path, execute: Execute, workers: int, threads: int, gpus: int) -> None:
        self.directory, self.execute = directory, execute
        self.slots: SimpleQueue[int] = SimpleQueue()
        for k in range(workers):
            self.slots.put(k)
        self.gpus = gpus
        self.threads = threads
        self.running: set[Any] = set()
        self.stopping = False
        os.environ["OMP_NUM_THREADS"] = str(threads)  # read once, when a process loads its libraries
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["qft.sweeps.heavy", execute.__module__])

    def run(self, cell: Cell) -> str | None:
        """Run the cell in a process; one that dies without a word costs this cell alone."""
        slot = self.slots.get()
        try:
            gpu = slot % self.gpus if self.gpus else None
            process = self.context.Process(
                target=work, args=(self.directory, cell, self.execute, self.threads, gpu), daemon=False
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

    def interrupt(self) -> None:
        self.stopping = True
        for process in list(self.running):
            self._tell(process)

    def _tell(self, process: Any) -> None:
        with contextlib.suppress(ProcessLookupError, TypeError):
            os.kill(process.pid, signal.SIGINT)

    def kill(self) -> None:
        for process in list(self.running):
            process.kill()


def work(directory: Path, cell: Cell, execute: Execute, threads: int, gpu: int | None = None) -> None:
    """Body of a cell's process: quiet, deaf to the terminal's Ctrl-C, gone when its sweep is gone."""
    os.setpgid(0, 0)  # Ctrl-C goes to the sweep, which passes it on once
    threading.Thread(target=_die_with_parent, daemon=True).start()
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = _visible(gpu)
    folder = directory / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    with append(folder / f"{cell.name}.txt") as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
    import torch

    torch.set_num_threads(threads)
    try:
        attempt(directory, cell, execute)
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


class Slurm:
    """Jobs of a Slurm cluster, by submitit; ``cluster=local`` and ``cluster=debug`` run them here."""

    def __init__(self, directory: Path, execute: Execute, threads: int, options: Mapping[str, Any]) -> None:
        try:
            import submitit
        except ImportError:
            raise QftError("launcher=slurm needs the extra: pip install 'qft[slurm]'.") from None
        self.directory, self.execute, self.threads = directory, execute, threads
        parameters = dict(options)
        cluster = parameters.pop("cluster", None)
        try:
            self.executor = submitit.AutoExecutor(directory / ".slurm", cluster=cluster)
            self.executor.update_parameters(**{"name": directory.name, "cpus_per_task": threads} | parameters)
        except (RuntimeError, ValueError, NameError, TypeError) as error:
            raise QftError(f"launcher=slurm: {str(error).splitlines()[0]}") from error
        self.lock = threading.Lock()
        self.running: set[Any] = set()

    def run(self, cell: Cell) -> str | None:
        """Submit the cell and wait for the job; results are read from the shared disk, not from the job."""
        with self.lock:
            job = self.executor.submit(job_work, self.directory.absolute(), cell, self.execute, self.threads)
            self.running.add(job)
        try:
            error: BaseException | None = job.exception()
        except Exception as lost:  # submitit's own, where a job left no answer
            error = lost
        finally:
            self.running.discard(job)
        return None if error is None else f"its job {job.job_id} ended without an answer: {error}".splitlines()[0]

    def interrupt(self) -> None:
        """Jobs in the queue or running go on to their end; nothing new is submitted."""

    def kill(self) -> None:
        for job in list(self.running):
            job.cancel()


def job_work(directory: Path, cell: Cell, execute: Execute, threads: int) -> None:
    """Body of a Slurm job."""
    import torch

    torch.set_num_threads(threads)
    attempt(directory, cell, execute)


def died(directory: Path, cell: Cell, reason: str, state: str) -> None:
    """Note a cell whose process is gone and could not do it itself: failed, or interrupted by the user."""
    left = cells.read_state(directory, cell.name)
    if left is None or left["state"] == "running" or left["id"] != cell.id:
        cells.end(directory, cell, state, reason if state == "failed" else None)
