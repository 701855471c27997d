"""Files of rows, read one row at a time, each with the place it came from.

A real row (CPsyCounD in its hub form, shortened), line 1 of ``cpsycoun.jsonl``::

    {"instruction": "我最近睡不好。", "input": "", "output": "从什么时候开始的？", "history": []}

Formats: ``.jsonl`` (one object a line), ``.json`` (a list of objects, or lines like ``.jsonl``) and
``.parquet``. Whatever is wrong is a QftError with file, line or row, and reason.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from qft.errors import QftError

SUFFIXES = (".json", ".jsonl", ".parquet")


class Row(NamedTuple):
    """One row. ``line`` counts from 1: the line of a line-based file, else the number of the row."""

    file: Path
    line: int
    data: dict[str, Any]
    unit: str = "line"

    @property
    def where(self) -> str:
        """The place for a message, such as ``set.jsonl, line 3``."""
        return f"{self.file}, {self.unit} {self.line}"

    def require(self, *columns: str) -> None:
        """Raise QftError unless all ``columns`` are there; the message lists what is there."""
        missing = [c for c in columns if c not in self.data]
        if missing:
            there = ", ".join(map(str, self.data)) or "none"
            raise QftError(f"{self.where}: no column {', '.join(missing)}. Columns there: {there}.")

    def text(self, column: str) -> str:
        """The text of a column, "" where the column is absent or null; QftError where it is no text."""
        value = self.data.get(column)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise QftError(f"{self.where}: column {column} holds {type(value).__name__} where text is needed.")
        return value


def row_files(path: Path) -> list[Path]:
    """The row files ``path`` stands for: itself, or those of a directory by name, all in one format.

    A directory may be a snapshot of a hub: its folders are looked into, hidden ones and dataset_info are not.
    """
    if path.is_file():
        return [path]
    inside = [
        (f.relative_to(path), f) for f in (*path.glob("*"), *path.glob("*/*")) if f.suffix in SUFFIXES and f.is_file()
    ]
    files = sorted(f for name, f in inside if not any(p.startswith((".", "dataset_info")) for p in name.parts))
    formats = sorted({f.suffix for f in files})
    if len(formats) > 1:
        # The same rows are often stored in two formats: reading both would double them unseen.
        raise QftError(f"{path} holds {' and '.join(formats)} files; give one file, or a directory with one format.")
    return files


def read_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of one file, in its order."""
    if path.suffix == ".parquet":
        yield from _parquet(path)
    elif path.suffix == ".jsonl" or (path.suffix == ".json" and not _is_list(path)):
        yield from _lines(path)
    elif path.suffix == ".json":
        yield from _list(path)
    else:
        raise QftError(f"{path}: rows are read from {', '.join(SUFFIXES)} files only.")


def decode(data: bytes, path: Path, first_line: int = 1) -> str:
    """UTF-8 with or without a byte order mark -> text; QftError with the line where it is not UTF-8."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        line = first_line + data.count(b"\n", 0, e.start)
        reason = f"byte 0x{data[e.start]:02x}, {e.reason}"
        raise QftError(f"{path}, line {line}: not UTF-8 ({reason}); save the file as UTF-8.") from None


def _is_list(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] != b"{"


def _lines(path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            line = decode(raw, path, number) if number == 1 or raw.strip() else ""
            if line.strip():
                yield _row(path, number, _parse(line.rstrip(), path, number), "line")


def _list(path: Path) -> Iterator[Row]:
    values = _parse(decode(path.read_bytes(), path), path, 1)
    if not isinstance(values, list):
        raise QftError(f"{path}: holds {type(values).__name__} where a list of objects is needed.")
    for number, value in enumerate(values, 1):
        yield _row(path, number, value, "row")


def _parquet(path: Path) -> Iterator[Row]:
    import pyarrow
    import pyarrow.parquet

    try:
        number = 0
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches():
                for value in batch.to_pylist():
                    number += 1
                    yield _row(path, number, value, "row")
    except (pyarrow.ArrowException, OSError) as e:
        raise QftError(f"{path}: not a readable parquet file ({str(e).splitlines()[0]}).") from None


def _parse(text: str, path: Path, first_line: int) -> Any:
    def refuse(name: str) -> None:
        raise ValueError(f"{name} is not JSON")

    try:
        return json.loads(text, parse_constant=refuse)
    except json.JSONDecodeError as e:
        line = first_line + e.lineno - 1
        raise QftError(f"{path}, line {line}: broken JSON ({e.msg} at column {e.colno}).") from None
    except (ValueError, RecursionError) as e:
        raise QftError(f"{path}, line {first_line}: broken JSON ({e}).") from None


def _row(path: Path, number: int, value: Any, unit: str) -> Row:
    if not isinstance(value, dict):
        raise QftError(f"{path}, {unit} {number}: holds {type(value).__name__} where an object is needed.")
    return Row(path, number, value, unit)
