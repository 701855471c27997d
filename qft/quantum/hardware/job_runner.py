"""Runs programs at a quantum cloud through the journal: submit, poll, store, and resume after an interruption.

The order that loses nothing: jobs are planned on disk; each is marked ``submitting`` on disk, sent once, and marked
``submitted`` with the service's id on disk before the next one; results and ``done`` are written together. Whatever
the journal already has is never sent again. Where the answer to a submission is lost, the service is asked for a job
with our token; where it cannot be asked, the user is.
"""

import hashlib
import json
import logging
import signal
import time
from collections import Counter
from collections.abc import Sequence

from qft.errors import QftError
from qft.process.signals import DeferredStop, number_of
from qft.quantum.hardware.clients.base import Batch, Busy, Client, Counts, Faulty, Lost, Program, Refused
from qft.quantum.hardware.journal import Job, Journal, Key
from qft.quantum.hardware.poller import Poller, Waiting

log = logging.getLogger(__name__)

ATTEMPTS = 8  # to submit a job to a service that is busy


class JobRunner:
    """Runs programs of one journal with one account."""

    def __init__(self, journal: Journal, client: Client, waiting: Waiting) -> None:
        self.journal, self.client, self.waiting = journal, client, waiting
        self._chips: set[str] = set()  # known to be online
        self._repeats: Counter[str] = Counter()
        self.poller = Poller(journal, client, waiting)

    def run(
        self, programs: Sequence[Program], batch_size: int, max_circuits: int | None, fresh: bool = False
    ) -> list[Counts]:
        """Counts of all programs in their order; Ctrl-C cancels the jobs that are open.

        Args:
            programs: Equal ones are sent once; with ``fresh``, once for each position.
            batch_size: Programs a job at most.
            max_circuits: What may be sent in all with this journal; None: any number.
            fresh: Shots of its own for each position.

        Raises:
            QftError: ``max_circuits`` would be exceeded (nothing is sent then), a job failed, the answer to a
                submission was lost, or the deadline has passed.
        """
        name = hashlib.sha256(json.dumps([p.id for p in programs]).encode()).hexdigest()
        if fresh:  # the same request again in this process is another one; after a restart it is the same again
            self._repeats[name] += 1
            name += f"-{self._repeats[name]}"
        keys = self.journal.request(name, programs, fresh)
        results = self.journal.results(keys)
        if len(results) < len(set(keys)):
            self._run_missing(keys, batch_size, max_circuits)
            results = self.journal.results(keys)
        return [results[key] for key in keys]

    def _run_missing(self, keys: Sequence[Key], batch_size: int, max_circuits: int | None) -> None:
        if unknown := [j for j in self.journal.open_jobs(keys) if j.state == "unknown"]:
            self._clear_up(unknown)
        missing = self.journal.missing(keys)
        planned = sum(j.circuits for j in self.journal.open_jobs(keys) if j.state == "planned")
        sent = self.journal.circuits_sent()
        if max_circuits is not None and sent + planned + len(missing) > max_circuits:
            raise QftError(
                f"{planned + len(missing):,} circuits would be sent now and {sent:,} were before, which is more than "
                f"backend.max_circuits={max_circuits:,}; nothing was sent. qft cost says what a run takes."
            )
        if missing:
            self.journal.plan(missing, batch_size)
        try:
            jobs = self.journal.open_jobs(keys)
            self.poller.progress.expect(sum(j.circuits for j in jobs))
            for job in jobs:
                if job.state == "planned":
                    self.submit(job)
            self.poller.wait([self.journal.job(j.id) for j in jobs])
        except KeyboardInterrupt as stop:
            # whoever sends SIGTERM or SIGHUP (a queue, a closed terminal) means to resume later
            if number_of(stop) == signal.SIGINT:
                self.poller.cancel([j for j in self.journal.open_jobs(keys) if j.state == "submitted"])
            raise

    def submit(self, job: Job) -> None:
        """Send a planned job; again with growing pauses while the service is busy.

        Raises:
            QftError: The service did not take it, or its answer was lost and the service looks no jobs up.
        """
        programs = [program for _, program in self.journal.programs(job.id)]
        chip = programs[0].chip
        if chip not in self._chips:
            self.client.check_chip(chip)
            self._chips.add(chip)
        batch = self.client.prepare(programs)
        pause = self.waiting.poll
        for attempt in range(1, ATTEMPTS + 1):
            try:
                # an id must not be lost between the service's answer and the journal: signals to stop wait that long
                with DeferredStop(raise_second=False) as deferred:
                    try:
                        self._submit_once(job, batch)
                    finally:
                        deferred.check()
                return
            except (Busy, Lost) as error:
                if isinstance(error, Lost):
                    self._clear_up([self.journal.job(job.id)])
                    if self.journal.job(job.id).state == "submitted":
                        return
                if attempt == ATTEMPTS:
                    raise QftError(
                        f"{self._service} is busy: {ATTEMPTS} times it did not take job {job.id}, the last time "
                        f"with: {error}. It was not sent; repeat the command to resume."
                    ) from None
                log.info("%s did not take job %d; it is sent again in %.0f s", self.client.service, job.id, pause)
                time.sleep(pause)
                pause = min(2 * pause, self.waiting.poll_max)

    def _submit_once(self, job: Job, batch: Batch) -> None:
        """Raises Busy, with the job planned as before, Lost, with the job unknown, and QftError as ``submit``."""
        self.journal.mark_submitting(job.id, self.client.url)
        try:
            task = self.client.submit(batch, self.journal.token(job.id))
            if (other := self.journal.job_of_task(task)) is not None:
                raise Lost(f"the answer names the id of job {other}")
        except Refused as error:
            self.journal.set_state(job.id, "planned", f"not taken: {error}")
            if isinstance(error, Busy):
                raise
            raise QftError(f"{self._service} did not take job {job.id}: {error}. It was not sent.") from None
        except Lost as error:
            self.journal.set_state(job.id, "unknown", str(error))
            raise
        try:
            self.journal.attach(job.id, task)
        except QftError as error:
            raise QftError(
                f"{error} Job {job.id} was taken under the id {task}; note it, and when there is room write: "
                f"qft jobs journal={self.journal.path} action=attach job={job.id} task={task}"
            ) from error

    def _clear_up(self, jobs: Sequence[Job]) -> None:
        """Find out whether the service has jobs whose answer was lost: they are submitted then, or planned again.

        Raises:
            QftError: That stays unknown.
        """
        if not self.client.finds:
            raise self._undecided(jobs, "and its client lists no jobs")
        for job in jobs:
            if self.look_up(job):
                continue
            # a job that was taken may take a while to be listed
            if (rest := job.changed + self.client.settles - time.time()) > 0:
                log.info("%s does not list job %d; it is asked again in %.0f s", self.client.service, job.id, rest)
                time.sleep(min(rest, self.client.settles))
            if not self.look_up(job):
                self.journal.set_state(job.id, "planned", f"{self.client.service} does not list it")

    def look_up(self, job: Job) -> bool:
        """Ask a service that ``finds`` for an unknown job, which is submitted once it is found.

        Raises:
            QftError: The service does not say, or it was asked at another address or has several such jobs.
        """
        self.poller.check_address(job)
        try:
            tasks = self.client.find(self.journal.token(job.id))
        except Faulty as error:
            raise QftError(
                f"Whether {self.client.service} has job {job.id} is unknown, as it does not say ({error}). Nothing "
                "more was sent; repeat the command to ask again."
            ) from None
        if len(tasks) > 1:
            raise self._undecided([job], f"and it lists {len(tasks)} jobs with our token: {', '.join(tasks[:5])}")
        if tasks:
            self.journal.attach(job.id, tasks[0])
            log.info("%s has job %d, as %s", self.client.service, job.id, tasks[0])
        return bool(tasks)

    def _undecided(self, jobs: Sequence[Job], why: str) -> QftError:
        first = jobs[0]
        return QftError(
            f"Whether {self.client.service} has {'job' if len(jobs) == 1 else 'jobs'} "
            f"{', '.join(str(j.id) for j in jobs)} is unknown ({first.note}); sending again could be paid for twice, "
            f"{why}, so you decide. Look at the list on its pages, then: qft jobs journal={self.journal.path} "
            f"job={first.id} with action=attach task=ID (it has it), action=resubmit (it has not) or action=forget."
        )

    @property
    def _service(self) -> str:
        """As a sentence begins with it."""
        return self.client.service[0].upper() + self.client.service[1:]

    def close(self) -> None:
        """End the progress bar."""
        self.poller.close()
