"""The file of a journal: opened, locked, checked and written so that a kill, a full disk or damage lose nothing.

Every transaction is on disk when it ends (rollback journal, synchronous=EXTRA). One process at a time may write, by a
lock beside the file. What SQLite says comes out as a QftError.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, ClassVar

from qft.errors import QftError

SCHEMA = 1
_META = "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);\n"


class JournalFile:
    """The file, held by one process. ``write=False`` only reads, beside a process that writes."""

    tables: ClassVar[str]  # statements that create what is in it beside ``meta``

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
                for statement in (_META + self.tables).split(";\n"):
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
            self._opened()

    def _opened(self) -> None:
        """What a process that is to write does first."""

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
