"""What was sent to hardware and what came back, in one SQLite file: nothing paid for is lost or paid for twice.

    circuits    id = SHA-256 of (text, chip, shots, options)
    jobs        planned -> submitting -> submitted (has the service's id) -> done | failed | cancelled
                submitting -> unknown where the answer to a submission was lost: only the user decides what then
    slots       which circuits a job holds, in what order
    results     counts of a circuit; of one that is sent again for fresh shots, of each copy
    positions   which result serves which position of which request; apart, so that equal circuits share one

Every commit is on disk before the next step (rollback journal, synchronous=EXTRA): ``submitting`` before the POST,
the id straight after it, results together with ``done``. One process at a time may write (a lock beside the file).
"""

import fcntl
import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from qft.errors import QftError

FILE = "qcloud.sqlite"  # its usual name, in the run directory
SCHEMA = 1
OPEN = ("planned", "submitting", "submitted", "unknown")  # states in which a circuit's result may still come
SENT = ("submitting", "submitted", "done", "failed", "unknown", "cancelled")  # may have been charged

_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
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


class Journal:
    """The file, held by one process. ``write=False`` only reads, beside a process that writes."""

    def __init__(self, path: Path, experiment: str | None = None, write: bool = True) -> None:
        """Open or create. ``experiment`` None takes whatever is there, and creates nothing.

        Raises QftError for a file that is none, of another experiment, of a newer version, in use, or not writable.
        """
        self.path = path
        self._lock: IO[str] | None = None
        if experiment is None and not path.is_file():
            raise QftError(f"There is no journal {path}.")
        try:
            if path.is_file() and not _looks_right(path):
                raise QftError(f"{path} is not a journal of qft.")
            if write:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._take_lock()
            # rw to read, too: what a process that was killed left half written is then taken back
            uri = f"{path.absolute().as_uri()}?mode={'rwc' if write else 'rw'}"
            self._db = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=30)
        except (OSError, sqlite3.Error) as error:
            self._unlock()
            raise _unwritable(path, error) from error
        try:
            self._open(experiment, write)
        except BaseException:
            self.close()
            raise

    def _take_lock(self) -> None:
        self._lock = self.path.with_name(self.path.name + ".lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._unlock()
            raise QftError(f"{self.path} is in use by another process.") from None

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _open(self, experiment: str | None, write: bool) -> None:
        tables = {name for (name,) in self._rows("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if tables and "meta" not in tables:
            raise QftError(f"{self.path} is a database, but not a journal of qft.")
        # the file is one, also after SIGKILL; EXTRA syncs the directory too when the rollback file goes
        for pragma in ("journal_mode=DELETE", "synchronous=EXTRA", "foreign_keys=ON") if write else ("query_only=ON",):
            self._rows(f"PRAGMA {pragma}")
        if not tables:
            if experiment is None:
                raise QftError(f"{self.path} is empty.")
            with self._transaction():
                for statement in _TABLES.split(";\n"):
                    if statement.strip():
                        self._db.execute(statement)
                self._set("schema", str(SCHEMA))
                self._set("experiment", experiment)
        version = self._meta("schema")
        if not version.isdecimal():
            raise QftError(f"{self.path} is damaged: it names no version.")
        if int(version) > SCHEMA:
            raise QftError(
                f"{self.path} was written by a newer qft (journal version {version}, this one reads {SCHEMA}); use "
                "that, or another file with backend.journal=FILE."
            )
        if experiment is not None and self._meta("experiment") != experiment:
            raise QftError(
                f"{self.path} belongs to another experiment (another base model or adapter); "
                "give a file of its own with backend.journal=FILE."
            )
        if write:
            self._lose()

    def _lose(self) -> None:
        """A process died between sending and recording the answer: whether the service has the job is unknown."""
        with self._transaction():
            self._db.execute(
                "UPDATE jobs SET state = 'unknown', changed = ?, note = 'the program ended before the answer to its "
                "submission was recorded' WHERE state = 'submitting'",
                (time.time(),),
            )

    def _meta(self, key: str) -> str:
        rows = self._rows("SELECT value FROM meta WHERE key = ?", (key,))
        return str(rows[0][0]) if rows else ""

    @property
    def experiment(self) -> str:
        """What the journal belongs to."""
        return self._meta("experiment")

    def _set(self, key: str, value: str) -> None:
        self._db.execute("INSERT INTO meta VALUES (?, ?)", (key, value))

    @contextmanager
    def _safely(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise _unwritable(self.path, error) from error
        except sqlite3.DatabaseError as error:
            raise QftError(f"{self.path} is damaged ({error}).") from error

    def _rows(self, query: str, values: Sequence[Any] | dict[str, Any] = ()) -> list[Any]:
        with self._safely():
            return self._db.execute(query, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing, and on disk when it ends. Raises QftError where the disk does not take it."""
        with self._safely():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # some errors have rolled back by themselves
                    self._db.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Let others in."""
        self._db.close()
        self._unlock()

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


def _looks_right(path: Path) -> bool:
    """Whether the file is empty or a database; SQLite itself takes a few bytes of text for an empty one."""
    with path.open("rb") as file:
        return file.read(16) in (b"", b"SQLite format 3\0")


def _unwritable(path: Path, error: Exception) -> QftError:
    text = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
    return QftError(
        f"The journal {path} cannot be used: {text}. What was recorded before is intact; without a journal nothing "
        "is sent."
    )


def canonical(options: dict[str, Any]) -> str:
    """Options as the text that belongs to a circuit's identity."""
    return json.dumps(options, sort_keys=True)
