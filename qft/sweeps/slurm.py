"""Cells as jobs of a Slurm cluster, by submitit; ``cluster=local`` and ``cluster=debug`` run them here.

A job outlives the sweep that submitted it: a sweep that is started again finds it in the queue and waits for it. What
became of a cell is read from the shared disk, and whether a job is still there asked of squeue, which every cluster
has; sacct answers only where accounting is on.
"""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import submitit
from submitit.core.utils import UncompletedJobError

from qft.errors import QftError, first_line
from qft.process.signals import Stopped, listen
from qft.progress import start_logging
from qft.records import Cell, read, write
from qft.sweeps import cells
from qft.sweeps.attempt import attempt
from qft.sweeps.jobs import Job
from qft.sweeps.launch import Left
from qft.sweeps.slurm_queue import Note, QueuedJob
from qft.sweeps.slurm_setup import OF_EXECUTORS, check, folder

log = logging.getLogger(__name__)

STOPPED = {"BOOT_FAIL", "CANCELLED", "NODE_FAIL"}  # through no fault of the cell: it is run again without retry=failed


class Slurm:
    """The launcher: submits a cell, or finds the job that an earlier sweep submitted for it, and waits."""

    def __init__(self, directory: Path, jobs: Mapping[str, Job], threads: int, options: Mapping[str, Any]) -> None:
        check(options)
        self.directory, self.jobs, self.threads = directory.absolute(), jobs, threads
        self.folder = folder(directory)
        parameters = dict(options)
        self.cluster = parameters.pop("cluster", "slurm")
        made_with = {key: parameters.pop(key) for key in OF_EXECUTORS if key in parameters}
        # requeue: pre-empted jobs come back even where the cluster's default is that they do not
        parameters["slurm_additional_parameters"] = {
            "requeue": True,
            **parameters.get("slurm_additional_parameters", {}),
        }
        try:
            self.executor = submitit.AutoExecutor(self.folder, cluster=self.cluster, **made_with)
            self.executor.update_parameters(**{"name": directory.name, "cpus_per_task": threads} | parameters)
        except (RuntimeError, ValueError, NameError, TypeError, AssertionError) as error:
            raise QftError(f"launcher=slurm: {first_line(error)}") from error
        if self.cluster == "slurm":
            self.executor._executor.job_class = QueuedJob  # AutoExecutor has no other way to say it
        self.lock = threading.Lock()
        self.running: set[Any] = set()
        self.leaving = False

    def run(self, cell: Cell) -> str | None:
        """Wait until the cell's job has ended. Raises Left where the sweep ends before it."""
        with self.lock:
            job = self._known(cell) or self._submitted(cell)
            self.running.add(job)
        try:
            while self.cluster == "slurm" and not job.done():
                if self.leaving:
                    raise Left
                time.sleep(1)
            return self._ended(cell, job)
        finally:
            self.running.discard(job)

    def _note(self, cell: Cell) -> Path:
        return self.folder / f"{cell.name}.json"

    def _known(self, cell: Cell) -> Any:
        """The job of an earlier sweep that is still at this cell; one with other settings is cancelled."""
        if self.cluster != "slurm" or not self._note(cell).exists():
            return None
        note = read(self._note(cell), Note)
        job: Any = QueuedJob(self.folder, note.job)
        if job.done(force_check=True):
            return None
        if note.cell == cell.id:
            log.info("job %s is at %s already", job.job_id, cell.name)
            return job
        subprocess.run(["scancel", job.job_id], capture_output=True)
        return None

    def _submitted(self, cell: Cell) -> Any:
        try:
            job = self.executor.submit(Work(self.directory, cell, self.jobs[cell.name], self.threads))
        except (RuntimeError, OSError) as error:  # sbatch refused, or is not there
            self.leaving = True
            why = str(error).strip().partition("\n")[0]
            raise QftError(f"{cell.name} could not be submitted: {why}; jobs submitted before continue.") from error
        if self.cluster == "slurm":
            write(self._note(cell), Note(job.job_id, cell.id))
        return job

    def _ended(self, cell: Cell, job: Any) -> str | None:
        """None where the job gave an answer or its cell says what became of it, else what is known of the job."""
        if self.cluster != "slurm" or job.paths.result_pickle.exists():
            error = job.exception()
            return None if error is None else f"its job {job.job_id} failed: {str(error).strip().splitlines()[-1]}"
        state = job.state
        if state in STOPPED and cells.state_of(self.directory, cell) in (None, "running"):
            cells.end(self.directory, cell, "interrupted")
        return f"its job {job.job_id} ended without an answer ({state}); see {job.paths.stderr}"

    def interrupt(self, number: int) -> None:
        """Ctrl-C: waiting jobs are cancelled, running ones save. Else the sweep alone is to end, and jobs continue."""
        if number != signal.SIGINT:
            self.leaving = True
            log.warning(
                "%d jobs continue without this process; the same command waits for them again", len(self.running)
            )
        elif self.cluster == "slurm":
            log.warning(
                "waiting jobs are cancelled, running ones finish their step and save; Ctrl-C again stops at once"
            )
            self._scancel("--state=PENDING")
            self._scancel("--signal=TERM")

    def kill(self) -> None:
        """Cancel every job of this process."""
        if self.cluster == "slurm":
            self._scancel()
        else:
            for job in list(self.running):
                job.cancel()

    def _scancel(self, *options: str) -> None:
        if jobs := [job.job_id for job in list(self.running)]:
            subprocess.run(["scancel", *options, *jobs], capture_output=True)


class Work:
    """What a job runs: one attempt at a cell. Pre-empted or near its time limit it saves and puts itself back in line.

    submitit writes this object down with the job and, by ``checkpoint``, again before a job is requeued.
    """

    def __init__(self, directory: Path, cell: Cell, job: Job, threads: int) -> None:
        self.directory, self.cell, self.job, self.threads = directory, cell, job, threads

    def checkpoint(self) -> submitit.helpers.DelayedSubmission:
        return submitit.helpers.DelayedSubmission(self)

    def __call__(self) -> None:
        asks_to_requeue = getattr(signal, f"SIG{submitit.JobEnvironment.USR_SIG}")
        requeue: Any = signal.getsignal(asks_to_requeue)  # submitit's, which ends the process wherever it is
        listen(signal.SIGINT, signal.SIGTERM, asks_to_requeue, postpone=True)
        start_logging(verbose=self.job.config.verbose)
        try:
            import torch

            torch.set_num_threads(self.threads)
            attempt(self.directory, self.cell, self.job)
        except Stopped as stop:
            if stop.number == asks_to_requeue or _preempted():
                self._requeued(requeue, stop.number)
            sys.exit(128 + stop.number)

    def _requeued(self, requeue: Any, number: int) -> None:
        try:
            requeue(number, None)
        except UncompletedJobError as error:
            why = f"its job reached its time limit too often ({error}); slurm.timeout_min gives it more"
            cells.end(self.directory, self.cell, "failed", why)
            raise


def _preempted() -> bool:
    """Whether Slurm takes this job's place but leaves it to the job to come back.

    A cluster without ``preempt_send_user_signal`` says so by SIGTERM, as it does to a job that is cancelled.
    """
    if "SLURM_JOB_ID" not in os.environ:
        return False
    command = ["scontrol", "show", "job", "--oneliner", os.environ["SLURM_JOB_ID"]]
    words = subprocess.run(command, capture_output=True, text=True).stdout.split()
    taken = [word for word in words if word.startswith("PreemptTime=")]
    return "JobState=RUNNING" in words and taken not in ([], ["PreemptTime=None"])
