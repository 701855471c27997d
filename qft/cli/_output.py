"""Tables to standard output (text or one JSON document), complaints to standard error."""

import json
import logging
import shutil
import sys
from collections.abc import Sequence
from typing import Any

from qft.names import visible, visible_json

log = logging.getLogger("qft")
UNFOLDED = 10_000  # columns of a table that no terminal shows


def complain(text: str) -> None:
    """One problem to standard error."""
    print(f"qft: {visible(text)}", file=sys.stderr)


def drawable(text: str, otherwise: str) -> str:
    """``text`` where standard output has all its characters, else ``otherwise``."""
    try:
        text.encode(sys.stdout.encoding or "utf-8")
        return text
    except UnicodeEncodeError:
        return otherwise


def show(form: str, document: Any, title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print ``document`` as JSON or the rows as a table, as ``format`` asks."""
    if form == "json":
        ascii_only = drawable("中", "") == ""  # a ? would be read as what was meant
        print(visible_json(json.dumps(document, ensure_ascii=ascii_only, indent=2)))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text  # no name is taken for markup

    table = Table(title=Text(visible(title)), title_justify="left", box=box.SIMPLE_HEAD)
    numeric = [all(_numeric(r[k]) for r in rows) and any(r[k] is not None for r in rows) for k in range(len(columns))]
    for name, right in zip(columns, numeric, strict=True):
        table.add_column(Text(visible(name)), justify="right" if right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(visible(_cell(value))) for value in row))
    console = Console(file=sys.stdout)  # what reads a pipe gets each row on one line
    width = max(console.width, 100) if console.is_terminal else UNFOLDED
    Console(file=sys.stdout, width=width).print(table)


def terminal_width() -> int:
    """Columns of text for people."""
    return min(max(shutil.get_terminal_size((120, 24)).columns, 60), 140)


def _numeric(value: Any) -> bool:
    return value is None or isinstance(value, (int, float)) or str(value)[:1].isdigit()


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}" if isinstance(value, float) else str(value)


def megabytes(size: int) -> str:
    """Bytes for people: 1.2 MB, 15.2 GB."""
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.2f} MB"
