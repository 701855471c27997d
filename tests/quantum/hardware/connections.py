"""SQLite connections that journals open: through them tests fill the disk or make it read-only under a journal."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock


@contextmanager
def noted() -> Iterator[list[sqlite3.Connection]]:
    """All connections opened in the block, the latest last."""
    opened: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def note(*args: Any, **options: Any) -> sqlite3.Connection:
        opened.append(connect(*args, **options))
        return opened[-1]

    with mock.patch.object(sqlite3, "connect", note):
        yield opened
