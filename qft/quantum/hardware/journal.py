"""What was sent to hardware and what came back, in one SQLite file: nothing paid for is lost or paid for twice.

    circuits    id = SHA-256 of (text, chip, shots, options)
    jobs        planned -> submitting -> submitted (has the service's id) -> done | failed | cancelled
                submitting -> unknown where the answer to a submission was lost: only the user decides what then
                planned -> dropped where the user gives up what was never sent; all ways: docs/qcloud.md
    slots       which circuits a job holds, in what order
    results     counts of a circuit; of one that is sent again for fresh shots, of each copy
    positions   which result serves which position of which request; apart, so that equal circuits share one

Every commit is on disk before the next step (``journal_file.py``): ``submitting`` before the POST, the id straight
after it, results together with ``done``.
"""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qft.errors import QftError
from qft.quantum.hardware.journal_checks import damaged, insert, update_sum
from qft.quantum.hardware.journal_file import JournalFile

FILE = "qcloud.sqlite"  # its usual name, in the run directory
STATES = ("planned", "submitting", "submitted", "unknown", "done", "failed", "cancelled", "dropped")
OPEN = ("planned", "submitting", "submitted", "unknown")  # states in which a circuit's result may still come
SENT = ("submitting", "submitted", "done", "failed", "unknown", "cancelled")  # may have been charged

_TABLES = """
CREATE TABLE circuits (id TEXT PRIMARY KEY, text TEXT NOT NULL, chip TEXT NOT NULL, shots INTEGER NOT NULL,
                       options TEXT NOT NULL, sum INTEGER NOT NULL);
CREATE TABLE jobs (id INTEGER PRIMARY KEY AUTOINCREMENT, state TEXT NOT NULL, task TEXT UNIQUE, url TEXT,
                   note TEXT NOT NULL, changed REAL NOT NULL, by_hand INTEGER NOT NULL, sum INTEGER NOT NULL);
CREATE TABLE slots (job INTEGER NOT NULL REFERENCES jobs, slot INTEGER NOT NULL, circuit TEXT NOT NULL REFERENCES
                    circuits, copy INTEGER NOT NULL, sum INTEGER NOT NULL, PRIMARY KEY (job, slot)) WITHOUT ROWID;
CREATE INDEX slots_of_circuit ON slots (circuit, copy);
CREATE TABLE results (circuit TEXT NOT NULL REFERENCES circuits, copy INTEGER NOT NULL, job INTEGER NOT NULL
                      REFERENCES jobs, counts TEXT NOT NULL, sum INTEGER NOT NULL,
                      PRIMARY KEY (circuit, copy)) WITHOUT ROWID;
CREATE INDEX results_of_job ON results (job);
CREATE TABLE positions (request TEXT NOT NULL, position INTEGER NOT NULL, circuit TEXT NOT NULL, copy INTEGER NOT NULL,
                        sum INTEGER NOT NULL, PRIMARY KEY (request, position)) WITHOUT ROWID;
"""

Counts = dict[str, int]  # bits, classical bit 0 rightmost -> how often
Key = tuple[str, int]  # (circuit id, copy)


@dataclass(frozen=True)
class Job:
    """One submission. ``task``: the service's id for it, None where none is known; ``by_hand``: the user gave it."""

    id: int
    state: str
    task: str | None
    url: str | None
    note: str
    changed: float
    by_hand: int
    circuits: int


@dataclass(frozen=True)
class Bound:
    """What is sent: the text of a circuit, and what it is run with."""

    text: str
    chip: str
    shots: int
    options: str  # JSON, keys sorted

    @property
    def id(self) -> str:
        """SHA-256 over all four."""
        return hashlib.sha256(json.dumps([self.text, self.chip, self.shots, self.options]).encode()).hexdigest()


class Journal(JournalFile):
    """Circuits, jobs and results in the file."""

    tables = _TABLES

    def _opened(self) -> None:
        """A process died between sending and recording the answer: whether the service has the job is unknown."""
        for job in self.jobs("submitting"):
            self.move(job.id, "unknown", "the program ended before the answer to its submission was recorded")

    # -- requests

    def request(self, name: str, circuits: Sequence[Bound], fresh: bool) -> list[Key]:
        """Say what the positions of a request are served with; the same as before where it was asked before.

        ``fresh``: each position gets shots of its own, no other position shares them.
        """
        ids = [c.id for c in circuits]
        asked = dict(self._rows("SELECT position, copy FROM positions WHERE request = ?", (name,)))
        if len(asked) == len(ids):
            return [(circuit, asked[k]) for k, circuit in enumerate(ids)]
        keys: list[Key] = []
        with self._transaction():
            used: dict[str, int] = {}
            for circuit in set(ids) if fresh else ():
                query = "SELECT COALESCE(MAX(copy) + 1, 0) FROM positions WHERE circuit = ?"
                used[circuit] = self._rows(query, (circuit,))[0][0]
            for circuit in ids:
                keys.append((circuit, used.get(circuit, 0)))
                used[circuit] = used.get(circuit, 0) + fresh
            rows = [(i, c.text, c.chip, c.shots, c.options) for i, c in zip(ids, circuits, strict=True)]
            insert(self._db, "circuits", rows, or_ignore=True)
            insert(self._db, "positions", [(name, k, *key) for k, key in enumerate(keys)])
        return keys

    def results(self, keys: Sequence[Key]) -> dict[Key, Counts]:
        """What is known of these circuits."""
        query = "SELECT counts, sum IS row_sum('results', circuit, copy, job, counts) FROM results WHERE "
        found = {}
        for key in set(keys):
            for counts, whole in self._rows(f"{query} circuit = ? AND copy = ?", key):
                if not whole or (result := _read_counts(counts)) is None:
                    raise damaged(self.path, "a result is not as it was written")
                found[key] = result
        return found

    def missing(self, keys: Sequence[Key]) -> list[Key]:
        """Those, once each and in order, that neither have a result nor are in a job from which one may come."""
        query = (
            "SELECT EXISTS (SELECT 1 FROM results WHERE circuit = :c AND copy = :k) OR EXISTS (SELECT 1 FROM slots "
            f"JOIN jobs ON jobs.id = slots.job WHERE circuit = :c AND copy = :k AND state IN {OPEN})"
        )
        known = (dict(c=circuit, k=copy) for circuit, copy in dict.fromkeys(keys))
        return [(q["c"], q["k"]) for q in known if not self._rows(query, q)[0][0]]  # type: ignore[misc]

    def plan(self, keys: Sequence[Key], batch_size: int) -> None:
        """Put these circuits into jobs of at most ``batch_size``, to be sent."""
        with self._transaction():
            for start in range(0, len(keys), batch_size):
                job = self._rows("SELECT COALESCE(MAX(id), 0) + 1 FROM jobs")[0][0]
                insert(self._db, "jobs", [(job, "planned", None, None, "", time.time(), 0)])
                rows = [(job, slot, *key) for slot, key in enumerate(keys[start : start + batch_size])]
                insert(self._db, "slots", rows)

    # -- jobs

    _JOBS = (
        "SELECT id, state, task, url, note, changed, by_hand, (SELECT COUNT(*) FROM slots WHERE job = jobs.id), sum IS "
        "row_sum('jobs', id, state, task, url, note, changed, by_hand) FROM jobs WHERE "
    )

    def _read(self, query: str, values: Sequence[Any]) -> list[Job]:
        rows = self._rows(query, values)
        jobs = [Job(*row[:-1]) for row in rows]
        if not all(row[-1] for row in rows) or not all(_sensible(job) for job in jobs):
            raise damaged(self.path, "a job is not as it was written")
        return jobs

    def jobs(self, *states: str) -> list[Job]:
        """All jobs, or those in one of ``states``, the oldest first."""
        wanted = f"state IN ({','.join('?' * len(states))})" if states else "1"
        return self._read(f"{self._JOBS} {wanted} ORDER BY id", states)

    def job(self, number: int) -> Job:
        """One job. Raises QftError where there is none of this number."""
        found = self._read(f"{self._JOBS} id = ?", (number,))
        if not found:
            raise QftError(f"{self.path} holds no job {number}.")
        return found[0]

    def jobs_of(self, keys: Sequence[Key]) -> list[Job]:
        """The jobs from which results of these circuits may come."""
        query = f"{self._JOBS} state IN {OPEN} AND id IN (SELECT job FROM slots WHERE circuit = ? AND copy = ?)"
        found = {job.id: job for key in dict.fromkeys(keys) for job in self._read(query, key)}
        return [found[number] for number in sorted(found)]

    def slots(self, job: int) -> list[tuple[Key, Bound]]:
        """The circuits of a job in their order."""
        query = (
            "SELECT circuit, copy, text, chip, shots, options FROM slots JOIN circuits ON circuits.id = circuit "
            "WHERE job = ? ORDER BY slot"
        )
        found = [((c, k), Bound(*rest)) for c, k, *rest in self._rows(query, (job,))]
        if any(bound.id != circuit for (circuit, _), bound in found):  # what is sent is what was asked for
            raise damaged(self.path, "a circuit is not as it was written")
        return found

    def sent(self) -> int:
        """Circuits that were sent, or may have been; those of repeated submissions count again."""
        query = f"SELECT COUNT(*) FROM slots JOIN jobs ON jobs.id = slots.job WHERE state IN {SENT}"
        return int(self._rows(query)[0][0])

    def counts(self) -> dict[str, int]:
        """How many jobs are in each state."""
        return dict(self._rows("SELECT state, COUNT(*) FROM jobs GROUP BY state"))

    def served(self) -> tuple[int, int]:
        """(positions, results): how many read-outs were asked for, and how many circuits serve them."""
        query = "SELECT (SELECT COUNT(*) FROM positions), (SELECT COUNT(*) FROM results)"
        return self._rows(query)[0]

    def move(self, job: int, state: str, note: str = "") -> None:
        """Record a job's new state."""
        self._update(job, state=state, note=note)

    def sending(self, job: int, url: str | None) -> None:
        """Record that a job is about to be sent, and to which address: an earlier attempt may have had another."""
        self._update(job, state="submitting", note="", url=url)

    def owner(self, task: str) -> int | None:
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

    def _check_free(self, job: int, task: str) -> None:
        if (other := self.owner(task)) not in (None, job):
            raise QftError(f"{task} is the id of job {other} already.")

    def detach(self, job: int) -> None:
        """Take a job's id away, with results that came under it: whether the service has the job is unknown again."""
        note = f"the id {self.job(job).task} was taken away by the user"
        with self._transaction():
            self._db.execute("DELETE FROM results WHERE job = ?", (job,))
            self._change(job, state="unknown", note=note, task=None, by_hand=0)

    def _update(self, job: int, **columns: str | int | None) -> None:
        with self._transaction():
            self._change(job, **columns)

    def _change(self, job: int, **columns: str | int | None) -> None:
        changes = ", ".join(f"{name} = ?" for name in columns)
        self._db.execute(f"UPDATE jobs SET {changes}, changed = ? WHERE id = ?", (*columns.values(), time.time(), job))
        update_sum(self._db, "jobs", "id = ?", (job,))

    def store(self, job: int, results: Sequence[Counts]) -> None:
        """Record all results of a job and that it is done, together. What is there from another job stays."""
        slots = self.slots(job)
        with self._transaction():
            rows = [(*key, job, json.dumps(counts)) for (key, _), counts in zip(slots, results, strict=True)]
            insert(self._db, "results", rows, or_ignore=True)
            self._change(job, state="done", note="")


def _read_counts(text: object) -> Counts | None:
    """The counts that a text holds, None where it is not one of ours."""
    try:
        counts = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return None
    right = isinstance(counts, dict) and all(type(v) is int and not set(k) - {"0", "1"} for k, v in counts.items())
    return counts if right else None


def _sensible(job: Job) -> bool:
    """Whether a job's row is one of ours: hashes are right in a file of a stranger's, too."""
    texts = all(text is None or isinstance(text, str) for text in (job.task, job.url))
    return job.state in STATES and texts and isinstance(job.note, str) and isinstance(job.changed, float)


def canonical(options: dict[str, Any]) -> str:
    """Options as the text that belongs to a circuit's identity."""
    return json.dumps(options, sort_keys=True)
