"""Takes circuits to the cloud and brings counts back, through the journal: send, wait, interrupt, go on.

The order that loses nothing: jobs are planned on disk; each is marked ``submitting`` on disk, posted once, and marked
``submitted`` with the service's id on disk before the next one; results and ``done`` are written together. Whatever
the journal has already is never sent again.
"""

import hashlib
import json
import logging
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qft.errors import QftError
from qft.process.signals import DeferredStop, number_of
from qft.quantum.hardware.clients.qcloud import Busy, Cloud, Lost, Refused
from qft.quantum.hardware.clients.qcloud_answers import Faulty, Look
from qft.quantum.hardware.journal import Bound, Counts, Job, Journal, Key

log = logging.getLogger(__name__)

LONGEST = 10**8  # seconds, three years
GROWTH = 1.5  # of the time between two queries of a job
ATTEMPTS = 8  # to submit a job to a service that is busy
FAULTS = 12  # faulty answers about one job, one after another, before we give up asking
NEWS = 30.0  # seconds between two lines of progress where there is no terminal


@dataclass(frozen=True)
class Patience:
    """How long to wait for jobs, seconds: in all, before the first query, between two queries at most."""

    deadline: float
    poll: float
    poll_max: float

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 < value <= LONGEST:
                raise QftError(f"backend.{name}={value} is seconds and must be above 0 and at most {LONGEST:,}.")


class Courier:
    """Between one journal and one account."""

    def __init__(self, journal: Journal, cloud: Cloud, patience: Patience) -> None:
        self.journal, self.cloud, self.patience = journal, cloud, patience
        self._checked: set[str] = set()
        self._asked: Counter[str] = Counter()
        self._progress = _Progress()

    def counts(
        self, circuits: Sequence[Bound], batch_size: int, max_circuits: int | None, fresh: bool = False
    ) -> list[Counts]:
        """Counts of all circuits in their order; equal ones are sent once, with ``fresh`` once for each position.

        Raises QftError before sending anything that would exceed ``max_circuits`` in this journal, where a job
        failed, where the answer to a submission was lost, and at the deadline. Ctrl-C cancels what is open.
        """
        name = hashlib.sha256(json.dumps([c.id for c in circuits]).encode()).hexdigest()
        if fresh:  # the same request again in this process is another one; after a restart it is the same again
            self._asked[name] += 1
            name += f"-{self._asked[name]}"
        keys = self.journal.request(name, circuits, fresh)
        found = self.journal.results(keys)
        if len(found) < len(set(keys)):
            self._bring(keys, batch_size, max_circuits)
            found = self.journal.results(keys)
        return [found[key] for key in keys]

    def _bring(self, keys: Sequence[Key], batch_size: int, max_circuits: int | None) -> None:
        if unknown := [j for j in self.journal.jobs_of(keys) if j.state == "unknown"]:
            raise _undecided(unknown, self.journal)
        missing = self.journal.missing(keys)
        planned = sum(j.circuits for j in self.journal.jobs_of(keys) if j.state == "planned")
        sent = self.journal.sent()
        if max_circuits is not None and sent + planned + len(missing) > max_circuits:
            raise QftError(
                f"{planned + len(missing):,} circuits would be sent now and {sent:,} were before, which is more than "
                f"backend.max_circuits={max_circuits:,}; nothing was sent. qft cost says what a run takes."
            )
        if missing:
            self.journal.plan(missing, batch_size)
        try:
            jobs = self.journal.jobs_of(keys)
            self._progress.expect(sum(j.circuits for j in jobs))
            for job in jobs:
                if job.state == "planned":
                    self.send(job)
            self.wait([self.journal.job(j.id) for j in jobs])
        except KeyboardInterrupt as stop:
            # whoever sends SIGTERM or SIGHUP (a queue, a closed terminal) means to go on later
            if number_of(stop) == signal.SIGINT:
                self.cancel([j for j in self.journal.jobs_of(keys) if j.state == "submitted"])
            raise

    def send(self, job: Job) -> None:
        """Post a planned job until it is taken or refused for good. Raises QftError where it was not taken, or the
        answer was lost.
        """
        circuits = [bound for _, bound in self.journal.slots(job.id)]
        first = circuits[0]
        if first.chip not in self._checked:
            self.cloud.check_chip(first.chip)
            self._checked.add(first.chip)
        programs, settings = self.cloud.programs([c.text for c in circuits], first.options)
        pause = self.patience.poll
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._post(job, first, programs, settings)
                return
            except Busy as error:
                if attempt == ATTEMPTS:
                    raise QftError(
                        f"The quantum cloud is busy: {ATTEMPTS} times it did not take job {job.id}, the last time "
                        f"with: {error}. It was not sent, and repeating the command goes on."
                    ) from None
                log.info("the quantum cloud is busy; job %d is sent again in %.0f s", job.id, pause)
                time.sleep(pause)
                pause = min(2 * pause, self.patience.poll_max)

    def _post(self, job: Job, *what: Any) -> None:
        """Post a job once. Raises Busy, with the job planned as before, and QftError as ``send``.

        Signals to stop wait until the end: an id must not be lost between the service's answer and the journal.
        """
        with DeferredStop(raise_second=False) as noted:
            try:
                self._post_now(job, *what)
            finally:
                noted.check()

    def _post_now(self, job: Job, first: Bound, programs: list[Any], settings: Any) -> None:
        self.journal.sending(job.id, self.cloud.url)
        try:
            task = self.cloud.submit(first.chip, programs, first.shots, settings)
            if (other := self.journal.owner(task)) is not None:
                raise Lost(f"the answer names the id of job {other}")
        except Refused as error:
            self.journal.move(job.id, "planned", f"not taken: {error}")
            if isinstance(error, Busy):
                raise
            raise QftError(f"The quantum cloud did not take job {job.id}: {error}. It was not sent.") from None
        except Lost as error:
            self.journal.move(job.id, "unknown", str(error))
            raise _undecided([self.journal.job(job.id)], self.journal) from None
        try:
            self.journal.attach(job.id, task)
        except QftError as error:
            raise QftError(
                f"{error} Job {job.id} was taken under the id {task}; note it, and when there is room write: "
                f"qft jobs journal={self.journal.path} action=attach job={job.id} task={task}"
            ) from error

    def wait(self, jobs: Sequence[Job]) -> None:
        """Query the submitted ones of ``jobs`` until all have ended, and store their results."""
        now = time.monotonic()
        begun = now
        open_jobs = {j.id: j for j in jobs if j.state == "submitted"}
        pause = dict.fromkeys(open_jobs, self.patience.poll)
        due = {number: now + min(self.patience.poll, 0.5) for number in open_jobs}  # a simulator answers at once
        faults: Counter[int] = Counter()
        states: dict[int, str] = dict.fromkeys(open_jobs, "submitted")
        failed: list[Job] = []
        while open_jobs:
            time.sleep(max(0.0, min(*due.values(), begun + self.patience.deadline) - time.monotonic()))
            for number in [n for n, when in due.items() if when <= time.monotonic()]:
                try:
                    states[number] = self.look(open_jobs[number]).state
                    faults[number] = 0
                except Faulty as error:
                    faults[number] += 1
                    if faults[number] == FAULTS:
                        raise QftError(
                            f"{FAULTS} answers about job {number} in a row were of no use, the last: {error}. Its "
                            "state is not decided by that: it stays open, and repeating the command asks again. "
                            f"Where the service has it no more: qft jobs journal={self.journal.path} action=detach "
                            f"job={number}, and then resubmit or forget."
                        ) from None
                if states[number] in ("finished", "failed"):
                    job = open_jobs.pop(number)
                    del due[number]
                    states.pop(number)
                    failed += [job] if self.journal.job(number).state == "failed" else []
                    self._progress.done(job.circuits)
                else:
                    pause[number] = min(GROWTH * pause[number], self.patience.poll_max)
                    due[number] = time.monotonic() + pause[number]
            self._progress.show(states)
            if open_jobs and time.monotonic() - begun >= self.patience.deadline:
                raise QftError(
                    f"{len(open_jobs)} jobs have not ended within backend.deadline={self.patience.deadline:g} s; they "
                    "stay open and nothing is lost: repeat the command, or qft jobs action=wait."
                )
        if failed:
            job = self.journal.job(failed[0].id)
            raise QftError(
                f"{len(failed)} jobs failed at the quantum cloud; job {job.id} ({job.task}): {job.note}. Results of "
                "the others are kept; repeating the command sends the failed circuits again."
            )

    def look(self, job: Job) -> Look:
        """Query a submitted job, once, and record it if it has ended. Raises Faulty where the answer is of no use."""
        if job.url != self.cloud.url:
            where = job.url or "the client's own address"
            raise QftError(f"Job {job.id} was sent to {where}; give the same: backend.url={job.url or 'null'}.")
        assert job.task is not None, "a submitted job has an id"
        circuits = [bound for _, bound in self.journal.slots(job.id)]
        seen = self.cloud.look(job.task, [c.text.count("MEASURE") for c in circuits], circuits[0].shots)
        if seen.counts is not None:
            self.journal.store(job.id, seen.counts)
        elif seen.state == "failed":
            self.journal.move(job.id, "failed", seen.reason)
        return seen

    def cancel(self, jobs: Sequence[Job]) -> int:
        """Ask for jobs to be cancelled; those the service does not cancel stay open. Returns how many it did."""
        cancelled = 0
        for job in jobs:
            # an id means something at the address the job was sent to, and nowhere else
            if job.task and job.url == self.cloud.url and self.cloud.cancel(job.task):
                self.journal.move(job.id, "cancelled", "on request")
                cancelled += 1
        if jobs:
            others = "" if cancelled == len(jobs) else "; the others stay open and are fetched by the next start"
            log.warning("%d of %d open jobs cancelled%s.", cancelled, len(jobs), others)
        return cancelled

    def close(self) -> None:
        """End the progress bar."""
        self._progress.close()


def _undecided(jobs: Sequence[Job], journal: Journal) -> QftError:
    first = jobs[0]
    return QftError(
        f"Whether the quantum cloud has {'job' if len(jobs) == 1 else 'jobs'} {', '.join(str(j.id) for j in jobs)} is "
        f"unknown ({first.note}); sending again could be paid for twice, and its client lists no jobs, so you decide. "
        f"Look at the list on its pages, then: qft jobs journal={journal.path} job={first.id} with action=attach "
        "task=ID (it has it), action=resubmit (it has not) or action=forget."
    )


class _Progress:
    """Circuits done and jobs in each state: a bar on a terminal, else now and then a line."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._expected = self._done = 0
        self._last = time.monotonic()

    def expect(self, circuits: int) -> None:
        self._expected += circuits
        if self._bar is None and sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(desc="circuits", file=sys.stderr, total=0, leave=False)
        if self._bar is not None:
            self._bar.total = self._expected
            self._bar.refresh()

    def done(self, circuits: int) -> None:
        self._done += circuits
        if self._bar is not None:
            self._bar.update(circuits)

    def show(self, states: dict[int, str]) -> None:
        text = ", ".join(f"{n} {state}" for state, n in sorted(Counter(states.values()).items()))
        if self._bar is not None:
            self._bar.set_postfix_str(text)
        elif time.monotonic() - self._last > NEWS:
            self._last = time.monotonic()
            log.info("quantum cloud: %d of %d circuits; jobs: %s", self._done, self._expected, text or "none open")

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
