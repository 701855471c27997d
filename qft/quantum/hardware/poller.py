"""Polls jobs at a quantum cloud until they have ended, and stores their results in the journal."""

import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from qft.errors import QftError
from qft.quantum.hardware.clients.base import Client, Faulty, JobStatus
from qft.quantum.hardware.job_progress import JobProgress
from qft.quantum.hardware.journal import Job, Journal

log = logging.getLogger(__name__)

LONGEST = 10**8  # seconds, three years
GROWTH = 1.5  # of the time between two polls of a job
FAULTS = 12  # faulty answers about one job, one after another, before we give up asking


@dataclass(frozen=True)
class Waiting:
    """How long to wait for jobs, in seconds. Raises QftError for what is no such time.

    Attributes:
        deadline: In all; jobs that have not ended stay open.
        poll: Before a job is first polled.
        poll_max: Between two polls of a job at most.
    """

    deadline: float
    poll: float
    poll_max: float

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 < value <= LONGEST:
                raise QftError(f"backend.{name}={value} must be a number of seconds above 0 and at most {LONGEST:,}.")


@dataclass
class _Polled:
    """A job that is being waited for."""

    job: Job
    due: float  # when to poll it next, on the monotonic clock
    pause: float
    faults: int = 0  # faulty answers in a row
    state: str = "submitted"


class Poller:
    """Asks one account about the jobs of one journal."""

    def __init__(self, journal: Journal, client: Client, waiting: Waiting) -> None:
        self.journal, self.client, self.waiting = journal, client, waiting
        self.progress = JobProgress()

    def wait(self, jobs: Sequence[Job]) -> None:
        """Poll the submitted ones of ``jobs`` until all have ended, and store their results.

        Raises:
            QftError: A job failed, the answers about one were of no use, or the deadline has passed; what has not
                ended stays open.
        """
        begun = time.monotonic()
        first = begun + min(self.waiting.poll, 0.5)  # a simulator answers at once
        polled = [_Polled(j, first, self.waiting.poll) for j in jobs if j.state == "submitted"]
        failed: list[int] = []
        while polled:
            wake = min(*(p.due for p in polled), begun + self.waiting.deadline)
            time.sleep(max(0.0, wake - time.monotonic()))
            for one in [p for p in polled if p.due <= time.monotonic()]:
                self._poll(one)
                if one.state in ("finished", "failed"):
                    polled.remove(one)
                    failed += [one.job.id] if one.state == "failed" else []
                    self.progress.done(one.job.circuits)
            self.progress.show(Counter(p.state for p in polled))
            if polled and time.monotonic() - begun >= self.waiting.deadline:
                raise QftError(
                    f"{len(polled)} jobs have not ended within backend.deadline={self.waiting.deadline:g} s; they "
                    "stay open and nothing is lost: repeat the command, or qft jobs action=wait."
                )
        if failed:
            job = self.journal.job(failed[0])
            raise QftError(
                f"{len(failed)} jobs failed at {self.client.service}; job {job.id} ({job.task}): {job.note}. Results "
                "of the others are kept; repeating the command sends the failed circuits again."
            )

    def _poll(self, one: _Polled) -> None:
        """Poll a job that is waited for, and set when to do so again."""
        try:
            one.state, one.faults = self.fetch(one.job).state, 0
        except Faulty as error:
            one.faults += 1
            if one.faults == FAULTS:
                number = one.job.id
                raise QftError(
                    f"{FAULTS} answers about job {number} in a row were of no use, the last: {error}. Its state is not "
                    "decided by that: it stays open, and repeating the command asks again. If the service no longer "
                    f"has it: qft jobs journal={self.journal.path} action=detach job={number}, and then resubmit or "
                    "forget."
                ) from None
        one.pause = min(GROWTH * one.pause, self.waiting.poll_max)
        one.due = time.monotonic() + one.pause

    def fetch(self, job: Job) -> JobStatus:
        """Poll a submitted job once, and record it if it has ended.

        Raises:
            Faulty: The answer decides nothing.
            QftError: The job was sent to another address.
        """
        self.check_address(job)
        assert job.task is not None, "a submitted job has an id"
        status = self.client.poll(job.task)
        if status.state == "finished":
            programs = [program for _, program in self.journal.programs(job.id)]
            self.journal.store(job.id, self.client.fetch(job.task, programs))
        elif status.state == "failed":
            self.journal.set_state(job.id, "failed", status.reason)
        return status

    def check_address(self, job: Job) -> None:
        """Raise QftError unless the job was sent to the address of this client."""
        if job.url != self.client.url:
            where = job.url or "the client's own address"
            raise QftError(f"Job {job.id} was sent to {where}; give the same: backend.url={job.url or 'null'}.")

    def cancel(self, jobs: Sequence[Job]) -> int:
        """Ask for jobs to be cancelled; those the service does not cancel stay open. Returns how many it did."""
        cancelled = 0
        for job in jobs:
            # an id means something at the address the job was sent to, and nowhere else
            if job.task and job.url == self.client.url and self.client.cancel(job.task):
                self.journal.set_state(job.id, "cancelled", "on request")
                cancelled += 1
        if jobs:
            others = "" if cancelled == len(jobs) else "; the others stay open and are fetched by the next start"
            log.warning("%d of %d open jobs cancelled%s.", cancelled, len(jobs), others)
        return cancelled

    def close(self) -> None:
        """End the progress bar."""
        self.progress.close()
