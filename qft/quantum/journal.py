"""What was sent to hardware and what came back, in one SQLite file: nothing paid for is lost or paid for twice.

    circuits    id = SHA-256 of (text, chip, shots, options)
    jobs        planned -> submitting -> submitted (has the service's id) -> done | failed | cancelled
                submitting -> unknown where the answer to a submission was lost: only the user decides what then
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
from qft.quantum.journal_file import JournalFile

FILE = "qcloud.sqlite"  # its usual name, in the run directory
OPEN = ("planned", "submitting", "submitted", "unknown")  # states in which a circuit's result may still come
SENT = ("submitting", "submitted", "done", "failed", "unknown", "cancelled")  # may have been charged

_TABLES = """
CREATE TABLE circuits (id TEXT PRIMARY KEY, text TEXT NOT NULL, chip TEXT NOT NULL, shots INTEGER NOT NULL,
                       options TEXT NOT NULL);
CREATE TABLE jobs (id INTEGER PRIMARY KEY AUTOINCREMENT, state TEXT NOT NULL, task TEXT UNIQUE, url TEXT,
                   note TEXT NOT NULL DEFAULT '', changed REAL NOT NULL);
CREATE TABLE slots (job INTEGER NOT NULL REFERENCES jobs, slot INTEGER NOT NULL, circuit TEXT NOT NULL REFERENCES
                    circuits, copy INTEGER NOT NULL, PRIMARY KEY (job, slot)) WITHOUT ROWID;
CREATE INDEX slots_of_circuit ON slots (circuit, copy);
CREATE TABLE results (circuit TEXT NOT NULL REFERENCES circuits, copy INTEGER NOT NULL, job INTEGER NOT NULL
                      REFERENCES jobs, counts TEXT NOT NULL, PRIMARY KEY (circuit, copy)) WITHOUT ROWID;
CREATE TABLE positions (request TEXT NOT NULL, position INTEGER NOT NULL, circuit TEXT NOT NULL, copy INTEGER NOT NULL,
                        PRIMARY KEY (request, position)) WITHOUT ROWID;
"""

Counts = dict[str, int]  # bits, classical bit 0 rightmost -> how often
Key = tuple[str, int]  # (circuit id, copy)


@dataclass(frozen=True)
class Job:
    """One submission. ``task`` is the service's id for it, None as long as none is known."""

    id: int
    state: str
    task: str | None
    url: str | None
    note: str
    changed: float
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
        with self._transaction():
            self._db.execute(
                "UPDATE jobs SET state = 'unknown', changed = ?, note = 'the program ended before the answer to its "
                "submission was recorded' WHERE state = 'submitting'",
                (time.time(),),
            )

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
            self._db.executemany(
                "INSERT OR IGNORE INTO circuits VALUES (?, ?, ?, ?, ?)",
                [(i, c.text, c.chip, c.shots, c.options) for i, c in zip(ids, circuits, strict=True)],
            )
            self._db.executemany(
                "INSERT INTO positions VALUES (?, ?, ?, ?)", [(name, k, *key) for k, key in enumerate(keys)]
            )
        return keys

    def results(self, keys: Sequence[Key]) -> dict[Key, Counts]:
        """What is known of these circuits."""
        found = {}
        for key in set(keys):
            for (counts,) in self._rows("SELECT counts FROM results WHERE circuit = ? AND copy = ?", key):
                found[key] = json.loads(counts)
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
                new = "INSERT INTO jobs (state, changed) VALUES ('planned', ?)"
                job = self._db.execute(new, (time.time(),)).lastrowid
                rows = [(job, slot, *key) for slot, key in enumerate(keys[start : start + batch_size])]
                self._db.executemany("INSERT INTO slots VALUES (?, ?, ?, ?)", rows)

    # -- jobs

    _JOBS = (
        "SELECT id, state, task, url, note, changed, (SELECT COUNT(*) FROM slots WHERE job = jobs.id) FROM jobs WHERE "
    )

    def jobs(self, *states: str) -> list[Job]:
        """All jobs, or those in one of ``states``, the oldest first."""
        wanted = f"state IN ({','.join('?' * len(states))})" if states else "1"
        return [Job(*row) for row in self._rows(f"{self._JOBS} {wanted} ORDER BY id", states)]

    def job(self, number: int) -> Job:
        """One job. Raises QftError where there is none of this number."""
        rows = self._rows(f"{self._JOBS} id = ?", (number,))
        if not rows:
            raise QftError(f"{self.path} holds no job {number}.")
        return Job(*rows[0])

    def jobs_of(self, keys: Sequence[Key]) -> list[Job]:
        """The jobs from which results of these circuits may come."""
        query = f"{self._JOBS} state IN {OPEN} AND id IN (SELECT job FROM slots WHERE circuit = ? AND copy = ?)"
        found = {row[0]: Job(*row) for key in dict.fromkeys(keys) for row in self._rows(query, key)}
        return [found[number] for number in sorted(found)]

    def slots(self, job: int) -> list[tuple[Key, Bound]]:
        """The circuits of a job in their order."""
        query = (
            "SELECT circuit, copy, text, chip, shots, options FROM slots JOIN circuits ON circuits.id = circuit "
            "WHERE job = ? ORDER BY slot"
        )
        return [((c, k), Bound(*rest)) for c, k, *rest in self._rows(query, (job,))]

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

    def attach(self, job: int, task: str, note: str = "") -> None:
        """Record the service's id for a job: it is submitted. Raises QftError for an id of another job."""
        for (other,) in self._rows("SELECT id FROM jobs WHERE task = ? AND id != ?", (task, job)):
            raise QftError(f"{task} is the id of job {other} already.")
        self._update(job, state="submitted", note=note, task=task)

    def _update(self, job: int, **columns: str | None) -> None:
        changes = ", ".join(f"{name} = ?" for name in columns)
        with self._transaction():
            self._db.execute(
                f"UPDATE jobs SET {changes}, changed = ? WHERE id = ?", (*columns.values(), time.time(), job)
            )

    def store(self, job: int, results: Sequence[Counts]) -> None:
        """Record all results of a job and that it is done, together."""
        slots = self.slots(job)
        with self._transaction():
            self._db.executemany(
                "INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?)",
                [(*key, job, json.dumps(counts)) for (key, _), counts in zip(slots, results, strict=True)],
            )
            self._db.execute("UPDATE jobs SET state = 'done', note = '', changed = ? WHERE id = ?", (time.time(), job))


def canonical(options: dict[str, Any]) -> str:
    """Options as the text that belongs to a circuit's identity."""
    return json.dumps(options, sort_keys=True)
