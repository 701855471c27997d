"""The file of a journal: opened, locked, checked and written so that a kill, a full disk or damage lose nothing.

Every transaction is on disk when it ends (rollback journal, synchronous=EXTRA). One process at a time may write, by a
lock on the file itself, whatever name it was opened by. A new journal appears under its name with all its tables, so
one that is empty has lost its content. What SQLite says comes out as a QftError.
"""

import os
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from qft.errors import QftError
from qft.process import files
from qft.quantum.hardware.journal import file, integrity, migration

APPLICATION = 0x71667471  # "qftq"
SCHEMA = 2
_META = "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL, sum INTEGER NOT NULL);\n"
# what SQLite reports where the content is at fault, and not the disk, its permissions or its space
_DAMAGE = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class Database:
    """A journal's file, opened or created; held by one process at a time.

    Args:
        path: The file.
        experiment: What the journal belongs to; None takes whatever is there, and creates nothing.
        write: False only reads, beside a process that writes.
        moved: Take over a journal that was last written on another machine.

    Raises:
        QftError: The file is not a journal, is damaged, belongs to another experiment, to a newer version or to
            another machine, is in use, or cannot be written.
    """

    tables: ClassVar[str]  # statements that create what is in it beside ``meta``; every table ends in ``sum``

    def __init__(self, path: Path, experiment: str | None = None, write: bool = True, moved: bool = False) -> None:
        self.path = path
        self._fd: int | None = None
        real = Path(os.path.realpath(path))
        if not write and file.is_old(real):
            type(self)(path).close()  # brings it up to date
        try:
            if not os.path.lexists(real):
                if experiment is None or not write:
                    raise QftError(f"There is no journal {path}.")
                self._create(real, experiment)
            self._fd = file.claim(real, path, write)
            # rw to read, too: what a process that was killed left half written is then taken back
            self._db = sqlite3.connect(f"{real.as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=30)
        except (OSError, sqlite3.Error) as error:
            self._unlock()
            raise _unwritable(path, error) from error
        try:
            file.check_same(self._fd, real, path)
            self._open(real, experiment, write, moved)
        except BaseException:
            self.close()
            raise

    def _create(self, real: Path, experiment: str) -> None:
        """Write a new journal under a name of its own, then give it the right one."""
        real.parent.mkdir(parents=True, exist_ok=True)
        with files.new_file(real) as new:
            db = sqlite3.connect(new, isolation_level=None)
            try:
                integrity.prepare(db)
                db.execute("PRAGMA synchronous=EXTRA")
                db.execute("BEGIN IMMEDIATE")
                integrity.create(db, _META + self.tables)
                _mark(db, experiment)
                db.execute("COMMIT")
            except BaseException:
                db.close()
                Path(f"{new}-journal").unlink(missing_ok=True)  # SQLite's, beside a transaction that failed
                raise
            db.close()

    def _unlock(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _open(self, real: Path, experiment: str | None, write: bool, moved: bool) -> None:
        with self._safely():
            integrity.prepare(self._db)
        # EXTRA syncs the directory, too, when the rollback file goes
        for pragma in ("synchronous=EXTRA", "foreign_keys=ON") if write else ("query_only=ON",):
            self._rows(f"PRAGMA {pragma}")
        application, version = (self._rows(f"PRAGMA {p}")[0][0] for p in ("application_id", "user_version"))
        if application == 0:
            with self._safely():
                migration.migrate(self._db, real, self.path, _META + self.tables, _mark)
        elif application != APPLICATION:
            raise QftError(f"{self.path} is not a journal of qft.")
        elif version > SCHEMA:
            raise QftError(
                f"{self.path} was written by a newer qft (journal version {version}, this one reads {SCHEMA}); use "
                "that, or another file with backend.journal=FILE."
            )
        with self._safely():
            if version < SCHEMA and application:
                raise integrity.damaged(self.path, "it names no version")
            if problem := integrity.problem(self._db, _META + self.tables):
                raise integrity.damaged(self.path, problem)
        if experiment is not None and self.experiment != experiment:
            raise QftError(
                f"{self.path} belongs to another experiment (another base model or adapter); "
                "give it a file of its own with backend.journal=FILE."
            )
        if write:
            self._rows("PRAGMA journal_mode=DELETE")  # the file is one, also after SIGKILL
            self._take_over(moved)
            if not self._meta("identity"):  # a journal of an earlier version
                with self._transaction():
                    integrity.insert(self._db, "meta", [("identity", secrets.token_hex(16))])
            self.on_open()

    def _take_over(self, moved: bool) -> None:
        """Ask before a journal is written on another machine: its other copy may send the same circuits."""
        this, last = file.machine(), self._meta("machine")
        if last.partition(" ")[0] == this.partition(" ")[0]:
            return
        if not moved:
            raise QftError(
                f"{self.path} was last written on another machine ({last.partition(' ')[2]!r}): if it is used there, "
                "circuits are sent and paid for twice; if it is not, repeat this with backend.moved=true, once."
            )
        with self._transaction():
            self._db.execute("DELETE FROM meta WHERE key = 'machine'")
            integrity.insert(self._db, "meta", [("machine", this)])

    def on_open(self) -> None:
        """What a process that is going to write does first."""

    def _meta(self, key: str) -> str:
        rows = self._rows("SELECT value FROM meta WHERE key = ?", (key,))
        return str(rows[0][0]) if rows else ""

    @property
    def experiment(self) -> str:
        """What the journal belongs to."""
        return self._meta("experiment")

    @contextmanager
    def _safely(self) -> Iterator[None]:
        try:
            yield
        except UnicodeDecodeError as error:  # where what SQLite would say quotes the damage
            raise integrity.damaged(self.path, "text that is none") from error
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)  # text that is no UTF-8 has none
            if code & 0xFF in _DAMAGE or not isinstance(error, sqlite3.OperationalError):
                raise integrity.damaged(self.path, str(error)) from error
            raise _unwritable(self.path, error) from error

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


def _mark(db: sqlite3.Connection, experiment: str) -> None:
    """Write down, in the transaction that makes the tables, what kind of file it is and whose."""
    db.execute(f"PRAGMA application_id={APPLICATION}")
    db.execute(f"PRAGMA user_version={SCHEMA}")
    meta = {"schema": str(SCHEMA), "experiment": experiment, "machine": file.machine()}  # schema: for 0.1.0
    meta["identity"] = secrets.token_hex(16)  # tells submissions of two journals apart
    integrity.insert(db, "meta", list(meta.items()))


def _unwritable(path: Path, error: Exception) -> QftError:
    text = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
    broken = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_IOERR
    before = "" if broken else "What was recorded before is intact; "
    return QftError(f"The journal {path} cannot be used: {text}. {before}nothing is sent without a journal.")
