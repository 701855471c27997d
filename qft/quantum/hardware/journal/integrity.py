"""What tells that a journal is as it was written: a hash in each row, and for each table one over all of its rows.

A row ends in ``sum``, a hash of its table's name and its values; ``seals`` holds the number of a table's rows and the
exclusive or of their sums, kept up to date by triggers. So a changed row, one that vanished and a page of an older
state are noticed. This is against accidents: whoever forges a journal can forge its hashes too.
"""

import functools
import hashlib
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from qft.errors import QftError

_SEALS = "CREATE TABLE seals (name TEXT PRIMARY KEY, number INTEGER NOT NULL, total INTEGER NOT NULL) WITHOUT ROWID"
_SCHEMA = "SELECT type, name, tbl_name, sql FROM main.sqlite_master ORDER BY name"
_TRIGGERS = {
    "INSERT": "number = number + 1, total = (total | NEW.sum) - (total & NEW.sum)",
    "DELETE": "number = number - 1, total = (total | OLD.sum) - (total & OLD.sum)",
    "UPDATE": "total = (total | (OLD.sum | NEW.sum) - (OLD.sum & NEW.sum)) - "
    "(total & (OLD.sum | NEW.sum) - (OLD.sum & NEW.sum))",
}


class _Folded:
    """Exclusive or, as an aggregate function of SQL."""

    def __init__(self) -> None:
        self.total = 0

    def step(self, value: int) -> None:
        self.total ^= value

    def finalize(self) -> int:
        return self.total


def row_sum(*values: Any) -> int:
    """Hash of a table's name and the values of a row, as SQLite's signed 64-bit integer."""
    return int.from_bytes(hashlib.blake2b(repr(values).encode(), digest_size=8).digest(), signed=True)


def prepare(db: sqlite3.Connection) -> None:
    """Give a connection the functions that are used here; a file's own SQL gets none of them."""
    db.create_function("row_sum", -1, row_sum, deterministic=True)
    db.create_aggregate("folded", 1, _Folded)
    for pragma in ("trusted_schema=OFF", "cell_size_check=ON"):
        db.execute(f"PRAGMA {pragma}")


def create(db: sqlite3.Connection, tables: str) -> None:
    """Create tables (SQL statements, each ended by a semicolon and a new line) and what seals them."""
    statements = [s for s in tables.split(";\n") if s.strip()]
    for statement in [*statements, _SEALS]:
        db.execute(statement)
    for name in _tables(db):
        for event, change in _TRIGGERS.items():
            db.execute(
                f"CREATE TRIGGER {name}_{event.lower()} AFTER {event} ON {name} BEGIN "
                f"UPDATE seals SET {change} WHERE name = '{name}'; END"
            )
        db.execute("INSERT INTO seals VALUES (?, 0, 0)", (name,))


def _tables(db: sqlite3.Connection) -> list[str]:
    query = "SELECT name FROM main.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'"
    return sorted(name for (name,) in db.execute(query) if name != "seals")


def _columns(db: sqlite3.Connection, table: str) -> str:
    """The columns of a table but for ``sum``."""
    return ", ".join(name for (name,) in db.execute("SELECT name FROM pragma_table_info(?)", (table,)) if name != "sum")


def insert(db: sqlite3.Connection, table: str, rows: Iterable[Sequence[Any]], or_ignore: bool = False) -> None:
    """Insert rows (values of all columns but ``sum``) with their sums."""
    number = _columns(db, table).count(",") + 1
    places = ", ".join(f"?{k}" for k in range(1, number + 1))
    how = "OR IGNORE " if or_ignore else ""
    db.executemany(f"INSERT {how}INTO {table} VALUES ({places}, row_sum('{table}', {places}))", rows)


def update_sum(db: sqlite3.Connection, table: str, where: str, values: Sequence[Any]) -> None:
    """Make the sums of changed rows right."""
    db.execute(f"UPDATE {table} SET sum = row_sum('{table}', {_columns(db, table)}) WHERE {where}", values)


def problem(db: sqlite3.Connection, tables: str) -> str:
    """What is wrong with the content of a journal that should have these tables; empty where nothing is."""
    if db.in_transaction:
        return _problem(db, _schema_of(tables))
    db.execute("BEGIN")  # one state of it, also beside a process that writes
    try:
        return _problem(db, _schema_of(tables))
    finally:
        db.execute("COMMIT")


@functools.cache
def _schema_of(tables: str) -> list[Any]:
    fresh = sqlite3.connect(":memory:")
    create(fresh, tables)
    schema = fresh.execute(_SCHEMA).fetchall()
    fresh.close()
    return schema


def _problem(db: sqlite3.Connection, expected: list[Any]) -> str:
    if db.execute(_SCHEMA).fetchall() != expected:
        return "its tables are not those of a journal"
    if (verdict := db.execute("PRAGMA integrity_check(1)").fetchone()[0]) != "ok":
        return str(verdict).splitlines()[-1]
    if db.execute("PRAGMA foreign_key_check").fetchone():
        return "a row belongs to one that is not there"
    for name in _tables(db):
        wrong = f"COALESCE(SUM(sum IS NOT row_sum('{name}', {_columns(db, name)})), 0)"
        number, total, bad = db.execute(f"SELECT COUNT(*), COALESCE(folded(sum), 0), {wrong} FROM {name}").fetchone()
        if bad:
            return f"{bad} of {number} rows of {name} are not as they were written"
        if db.execute("SELECT number, total FROM seals WHERE name = ?", (name,)).fetchall() != [(number, total)]:
            return f"rows of {name} are missing or of an earlier state"
    return ""


def damaged(path: Path, what: str) -> QftError:
    """The error for a journal that cannot be trusted: what is wrong, and what is safe to do."""
    return QftError(
        f"{path} is damaged ({what[:200]}) and was left as it is; nothing was sent. Put a copy of it back; to start "
        "over with backend.journal=FILE, or without it, sends and pays for all circuits again."
    )
