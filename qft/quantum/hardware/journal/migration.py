"""Journals as 0.1.0 wrote them, which had no hashes: recognised, copied, and made into one of today in place."""

import hashlib
import json
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from qft.errors import QftError
from qft.process import files
from qft.process.locks import lock_existing
from qft.quantum.hardware.journal import integrity

log = logging.getLogger(__name__)

COPY = ".0.1.0"  # behind the name of the copy that stays
COLUMNS = {
    "meta": "key, value",
    "circuits": "id, text, chip, shots, options",
    "jobs": "id, state, task, url, note, changed",
    "slots": "job, slot, circuit, copy",
    "results": "circuit, copy, job, counts",
    "positions": "request, position, circuit, copy",
}
_NEW = {"jobs": ", 0"}  # values of columns that came later


def migrate(
    db: sqlite3.Connection, real: Path, path: Path, tables: str, finish: Callable[[sqlite3.Connection, str], None]
) -> None:
    """Rewrite the journal that is open as ``db``, at ``real``, called ``path``, with today's ``tables``: whole or not.

    ``finish(db, experiment)`` completes it in the same transaction. A copy of what it was stays beside it. Raises
    QftError where it is none of ours, damaged, or used by a 0.1.0 that still runs.
    """
    if problem := _problem(db):
        raise integrity.damaged(path, problem) if problem != "foreign" else _foreign(path)
    with _old_lock(real, path):
        copy = _copy(real)
        db.execute("PRAGMA foreign_keys=OFF")  # dropping a table looks at each of its rows otherwise
        db.execute("BEGIN IMMEDIATE")
        try:
            _rewrite(db, tables)
            finish(db, db.execute("SELECT value FROM temp.old_meta WHERE key = 'experiment'").fetchone()[0])
            if problem := integrity.problem(db, tables):
                raise integrity.damaged(path, problem)
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        for name in COLUMNS:
            db.execute(f"DROP TABLE temp.old_{name}")
        db.execute("PRAGMA foreign_keys=ON")
    log.info("%s was written by qft 0.1.0 and is now up to date; the original is %s", path, copy)


def _rewrite(db: sqlite3.Connection, tables: str) -> None:
    for name, columns in COLUMNS.items():
        db.execute(f"CREATE TEMP TABLE old_{name} AS SELECT {columns} FROM main.{name}")
    for name in reversed(COLUMNS):
        db.execute(f"DROP TABLE main.{name}")
    integrity.create(db, tables)
    for name, columns in list(COLUMNS.items())[1:]:
        values = columns + _NEW.get(name, "")
        db.execute(f"INSERT INTO main.{name} SELECT {values}, row_sum('{name}', {values}) FROM temp.old_{name}")


def _foreign(path: Path) -> QftError:
    return QftError(f"{path} is a database, but not a journal of qft.")


def _problem(db: sqlite3.Connection) -> str:
    """What is wrong with it as far as 0.1.0 wrote down enough to tell; "foreign" for another kind of database."""
    kinds = {("table", name) for name in COLUMNS} | {("index", "slots_of_circuit")}
    if set(db.execute("SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!'")) != kinds:
        return "foreign"
    for name, columns in COLUMNS.items():
        present = ", ".join(n for (n,) in db.execute("SELECT name FROM pragma_table_info(?)", (name,)))
        if present != columns:
            return "foreign"
    if (verdict := db.execute("PRAGMA integrity_check(1)").fetchone()[0]) != "ok":
        return str(verdict).splitlines()[-1]
    meta = dict(db.execute("SELECT key, value FROM meta"))
    if meta.get("schema") != "1" or "experiment" not in meta:
        return "it names no version"
    if db.execute("PRAGMA foreign_key_check").fetchone():
        return "a row belongs to one that is not there"
    for id_, *content in db.execute("SELECT * FROM circuits"):
        if hashlib.sha256(json.dumps(content).encode()).hexdigest() != id_:
            return "a circuit is not as it was written"
    for text, shots in db.execute("SELECT counts, shots FROM results JOIN circuits ON circuits.id = circuit"):
        if not _adds_up(text, shots):
            return "a result is not as it was written"
    return ""


def _adds_up(text: str, shots: int) -> bool:
    try:
        counts = json.loads(text)
        return bool(abs(sum(counts.values()) - shots) <= 1e-3 * shots + len(counts) / 2)
    except (ValueError, TypeError, AttributeError):
        return False


@contextmanager
def _old_lock(real: Path, path: Path) -> Iterator[None]:
    """The lock of 0.1.0, a file beside the journal, so that none of its processes is in the middle of sending."""
    try:
        lock = lock_existing(Path(f"{real}.lock"))
    except BlockingIOError:
        raise QftError(f"{path} is in use by another process.") from None
    try:
        yield
    finally:
        if lock is not None:
            os.close(lock)


def _copy(real: Path) -> Path:
    """A copy of the original; what an earlier attempt left is not overwritten."""
    content = real.read_bytes()
    for k in range(1, 1000):
        copy = Path(f"{real}{COPY}{f'-{k}' if k > 1 else ''}")
        if not os.path.lexists(copy):
            files.copy(real, copy)
            return copy
        if copy.is_file() and copy.read_bytes() == content:
            return copy
    raise QftError(f"{real} cannot be brought up to date: a thousand copies of it exist already.")
