"""Jobs in the journal: one submission each, and the states it goes through.

    planned -> submitting -> submitted (has the service's id) -> done | failed | cancelled
    submitting -> unknown       the answer to a submission was lost
    unknown -> submitted        the service lists the job under our token; else the user decides
    unknown -> planned          the service does not list it, long after it was sent
    planned -> dropped          the user gives up what was never sent; all ways: docs/hardware.md

``submitting`` is on disk before a job is sent, and the id straight after the answer.
"""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qft.errors import QftError
from qft.quantum.hardware.clients.base import Counts, Program
from qft.quantum.hardware.journal.database import Database
from qft.quantum.hardware.journal.integrity import damaged, insert, update_sum

STATES = ("planned", "submitting", "submitted", "unknown", "done", "failed", "cancelled", "dropped")
OPEN = ("planned", "submitting", "submitted", "unknown")  # states in which a program's result may still come
SENT = ("submitting", "submitted", "done", "failed", "unknown", "cancelled")  # may have been charged

Key = tuple[str, int]  # (id of a program, copy)

_JOBS = (
    "SELECT id, state, task, url, note, changed, by_hand, (SELECT COUNT(*) FROM slots WHERE job = jobs.id), sum IS "
    "row_sum('jobs', id, state, task, url, note, changed, by_hand) FROM jobs WHERE "
)


@dataclass(frozen=True)
class Job:
    """One submission.

    Attributes:
        id: Number of the job in its journal, from 1.
        state: One of STATES.
        task: The service's id for it; None where none is known.
        url: The address it was sent to; None is that of the vendor's own client.
        note: Why it is in this state.
        changed: Seconds since 1970.
        by_hand: 1 where the user gave the id, else 0.
        circuits: How many circuits it holds.
    """

    id: int
    state: str
    task: str | None
    url: str | None
    note: str
    changed: float
    by_hand: int
    circuits: int


class Jobs(Database):
    """The jobs of a journal, the programs in each, and what came back."""

    def on_open(self) -> None:
        """A process died between sending and recording the answer: whether the service has the job is unknown."""
        for job in self.jobs("submitting"):
            self.set_state(job.id, "unknown", "the program ended before the answer to its submission was recorded")

    def plan(self, keys: Sequence[Key], batch_size: int) -> None:
        """Put these programs into jobs of at most ``batch_size``, to be sent."""
        with self._transaction():
            for start in range(0, len(keys), batch_size):
                job = self._rows("SELECT COALESCE(MAX(id), 0) + 1 FROM jobs")[0][0]
                insert(self._db, "jobs", [(job, "planned", None, None, "", time.time(), 0)])
                rows = [(job, slot, *key) for slot, key in enumerate(keys[start : start + batch_size])]
                insert(self._db, "slots", rows)

    def _read(self, query: str, values: Sequence[Any]) -> list[Job]:
        rows = self._rows(query, values)
        jobs = [Job(*row[:-1]) for row in rows]
        if not all(row[-1] for row in rows) or not all(_sensible(job) for job in jobs):
            raise damaged(self.path, "a job is not as it was written")
        return jobs

    def jobs(self, *states: str) -> list[Job]:
        """All jobs, or those in one of ``states``, the oldest first."""
        condition = f"state IN ({','.join('?' * len(states))})" if states else "1"
        return self._read(f"{_JOBS} {condition} ORDER BY id", states)

    def job(self, number: int) -> Job:
        """One job. Raises QftError where there is none of this number."""
        jobs = self._read(f"{_JOBS} id = ?", (number,))
        if not jobs:
            raise QftError(f"{self.path} holds no job {number}.")
        return jobs[0]

    def open_jobs(self, keys: Sequence[Key]) -> list[Job]:
        """The jobs from which results of these programs may still come, the oldest first."""
        query = f"{_JOBS} state IN {OPEN} AND id IN (SELECT job FROM slots WHERE circuit = ? AND copy = ?)"
        jobs = {job.id: job for key in dict.fromkeys(keys) for job in self._read(query, key)}
        return [jobs[number] for number in sorted(jobs)]

    def programs(self, job: int) -> list[tuple[Key, Program]]:
        """The programs of a job in their order."""
        query = (
            "SELECT circuit, copy, text, chip, shots, options FROM slots JOIN circuits ON circuits.id = circuit "
            "WHERE job = ? ORDER BY slot"
        )
        programs = [((c, k), Program(*rest)) for c, k, *rest in self._rows(query, (job,))]
        if any(program.id != circuit for (circuit, _), program in programs):  # what is sent is what was asked for
            raise damaged(self.path, "a circuit is not as it was written")
        return programs

    def circuits_sent(self) -> int:
        """Circuits that were sent, or may have been; those of repeated submissions count again."""
        query = f"SELECT COUNT(*) FROM slots JOIN jobs ON jobs.id = slots.job WHERE state IN {SENT}"
        return int(self._rows(query)[0][0])

    def state_counts(self) -> dict[str, int]:
        """How many jobs are in each state."""
        return dict(self._rows("SELECT state, COUNT(*) FROM jobs GROUP BY state"))

    def set_state(self, job: int, state: str, note: str = "") -> None:
        """Record a job's new state, and why."""
        self._update(job, state=state, note=note)

    def mark_submitting(self, job: int, url: str | None) -> None:
        """Record that a job is about to be sent, and to which address: an earlier attempt may have had another."""
        self._update(job, state="submitting", note="", url=url)

    def token(self, job: int) -> str:
        """What a submission of this job is marked with at the service; no other job of any journal has it."""
        return "qft-" + hashlib.sha256(f"{self._meta('identity')} {job}".encode()).hexdigest()[:40]

    def job_of_task(self, task: str) -> int | None:
        """The job that has this id of the service."""
        rows = self._rows("SELECT id FROM jobs WHERE task = ?", (task,))
        return int(rows[0][0]) if rows else None

    def attach(self, job: int, task: str) -> None:
        """Record the service's id for a job: it is submitted. Raises QftError for an id of another job."""
        self._check_free(job, task)
        self._update(job, state="submitted", note="", task=task, by_hand=0)

    def attach_by_hand(self, job: int, task: str, url: str | None) -> None:
        """The same as the user's word, who also knows at which address; ``detach`` undoes it."""
        self._check_free(job, task)
        self._update(job, state="submitted", note="id given by the user", task=task, url=url, by_hand=1)

    def detach(self, job: int) -> None:
        """Take a job's id away, with results that came under it: whether the service has the job is unknown again."""
        note = f"the id {self.job(job).task} was taken away by the user"
        with self._transaction():
            self._db.execute("DELETE FROM results WHERE job = ?", (job,))
            self._change(job, state="unknown", note=note, task=None, by_hand=0)

    def store(self, job: int, results: Sequence[Counts]) -> None:
        """Record all results of a job and that it is done, together. What is there from another job stays."""
        programs = self.programs(job)
        with self._transaction():
            rows = [(*key, job, json.dumps(counts)) for (key, _), counts in zip(programs, results, strict=True)]
            insert(self._db, "results", rows, or_ignore=True)
            self._change(job, state="done", note="")

    def _check_free(self, job: int, task: str) -> None:
        if (other := self.job_of_task(task)) not in (None, job):
            raise QftError(f"{task} is already the id of job {other}.")

    def _update(self, job: int, **columns: str | int | None) -> None:
        with self._transaction():
            self._change(job, **columns)

    def _change(self, job: int, **columns: str | int | None) -> None:
        changes = ", ".join(f"{name} = ?" for name in columns)
        self._db.execute(f"UPDATE jobs SET {changes}, changed = ? WHERE id = ?", (*columns.values(), time.time(), job))
        update_sum(self._db, "jobs", "id = ?", (job,))


def _sensible(job: Job) -> bool:
    """Whether a job's row is one of ours: hashes are right in a file of a stranger's, too."""
    texts = all(text is None or isinstance(text, str) for text in (job.task, job.url))
    return job.state in STATES and texts and isinstance(job.note, str) and isinstance(job.changed, float)
