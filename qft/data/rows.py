"""Files of rows, read one row at a time, each with the place it came from.

A real row (CPsyCounD in its hub form, shortened), line 1 of ``cpsycoun.jsonl``::

    {"instruction": "我最近睡不好。", "input": "", "output": "从什么时候开始的？", "history": []}

Formats: ``.jsonl`` (one object a line), ``.json`` (a list of objects, or lines like ``.jsonl``),
``.parquet`` and ``.csv`` (a first line of column names). Whatever is wrong is a QftError with file, line
or row, and reason: bytes that are not UTF-8, half a character (``"\\ud83d"`` alone) and endless lines, too.
"""

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from qft.data.files import SUFFIXES, open_data
from qft.errors import QftError, first_line
from qft.names import shortened

LONGEST_LINE = 100_000_000  # bytes; a longer one is a file without line ends rather than a row
COLUMNS = 20  # how many a message names

ALL = range(sys.maxsize)
Block = tuple[int, Callable[[], Iterable["Row"]]]


class Row(NamedTuple):
    """One row and its place.

    Attributes:
        file: The file, or the id of a data set on a hub.
        line: From 1: the line in a file of lines, else the number of the row.
        data: Its columns.
        unit: What ``line`` counts: "line" or "row".
    """

    file: Path
    line: int
    data: dict[str, Any]
    unit: str = "line"

    @property
    def where(self) -> str:
        """The place for a message, such as ``set.jsonl, line 3``."""
        return f"{self.file}, {self.unit} {self.line}"

    def require(self, *columns: str) -> None:
        """Raise QftError unless the row has all these columns. The message lists those it has."""
        missing = [c for c in columns if c not in self.data]
        if missing:
            raise QftError(f"{self.where}: no column {', '.join(missing)}. Its columns: {self.columns()}.")

    def columns(self) -> str:
        """The names of its columns for a message, the first COLUMNS of them."""
        names = [shortened(str(name)) for name in self.data]
        more = f" and {len(names) - COLUMNS} more" if len(names) > COLUMNS else ""
        return ", ".join(names[:COLUMNS]) + more or "none"

    def text(self, column: str) -> str:
        """The text of a column, "" where it is absent or null. Raises QftError where it is not text."""
        value = self.data.get(column)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise QftError(f"{self.where}: column {column} holds {type(value).__name__} where text is needed.")
        return value


def read_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of one file, in its order. Raises QftError, with the place, for what is not a row."""
    for _, read in _blocks(path):
        yield from read()


def numbered(files: Iterable[Path], *positions: range) -> Iterator[tuple[int, Row]]:
    """Yield ``(position, row)`` for each row whose position is in any of these ranges.

    Positions count from 0 over all files. Nothing after the last of them is read, no further file is requested
    (``files`` may fetch them one by one), and rows in between are skipped without being parsed, those of a parquet
    file by whole row groups.
    """
    end = max(r.stop for r in positions)
    position = 0
    for file in files:
        for count, read in _blocks(file):
            if any(r.start < position + count and position < r.stop for r in positions):
                for k, row in enumerate(read(), position):
                    if k >= end:
                        return
                    if any(k in r for r in positions):
                        yield k, row
            position += count
            if position >= end:
                return


def _blocks(path: Path) -> Iterator[Block]:
    """The file as blocks of rows: how many there are, and a function that parses them."""
    if path.suffix == ".parquet":
        yield from _parquet(path)
    elif path.suffix == ".csv":
        yield from _csv(path)
    elif path.suffix == ".jsonl" or (path.suffix == ".json" and not _is_list(path)):
        yield from _lines(path)
    elif path.suffix == ".json":
        yield from _list(path)
    else:
        raise QftError(f"{path}: rows are read from {', '.join(SUFFIXES)} files only.")


def decode(data: bytes, path: Path, first_line: int = 1) -> str:
    """UTF-8, with or without a byte order mark -> text. Raises QftError with the line that is not UTF-8.

    ``first_line`` is the number, from 1, of the line that ``data`` begins with.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        line = first_line + data.count(b"\n", 0, e.start)
        reason = f"byte 0x{data[e.start]:02x}, {e.reason}"
        raise QftError(f"{path}, line {line}: not UTF-8 ({reason}); save the file as UTF-8.") from None


def _is_list(path: Path) -> bool:
    with open_data(path) as file:
        return file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] != b"{"


def _lines(path: Path) -> Iterator[Block]:
    with open_data(path) as file:
        for number, raw in enumerate(_split(file, path), 1):
            if raw.removeprefix(b"\xef\xbb\xbf").strip():
                yield 1, lambda raw=raw, number=number: [_line(path, number, raw)]  # type: ignore[misc]


def _split(file: IO[bytes], path: Path) -> Iterator[bytes]:
    number = 0
    while raw := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(raw) > LONGEST_LINE:
            raise QftError(f"{path}, line {number}: longer than {LONGEST_LINE:,} bytes; give one row a line.")
        yield raw


def _line(path: Path, number: int, raw: bytes) -> Row:
    text = decode(raw, path, number).rstrip()
    return _row(path, number, _parse(text, path, number), "line")


def _csv(path: Path) -> Iterator[Block]:
    csv.field_size_limit(2**31 - 1)  # the module's own limit is 128 KB a cell
    with open_data(path) as file:
        cells = csv.reader((decode(raw, path, k) for k, raw in enumerate(_split(file, path), 1)), strict=True)
        line = 1
        try:
            names = next(cells, [])
            if len(set(names)) < len(names) or not all(n.strip() for n in names):
                header = shortened(", ".join(names))
                raise QftError(f"{path}, line 1: a column name is empty or occurs twice: {header}.")
            line = cells.line_num + 1
            for values in cells:
                if values:
                    if len(values) != len(names):
                        raise QftError(f"{path}, line {line}: {len(values)} cells for {len(names)} columns.")
                    data = dict(zip(names, values, strict=True))
                    yield 1, lambda data=data, line=line: [Row(path, line, data)]  # type: ignore[misc]
                line = cells.line_num + 1
        except csv.Error as e:
            raise QftError(f"{path}, line {line}: broken CSV ({e}).") from None


def _list(path: Path) -> Iterator[Block]:
    with open_data(path) as file:
        values = _parse(decode(file.read(), path), path, 1)
    if not isinstance(values, list):
        raise QftError(f"{path}: holds {type(values).__name__} where a list of objects is needed.")
    for number, value in enumerate(values, 1):
        yield 1, lambda number=number, value=value: [_row(path, number, value, "row")]  # type: ignore[misc]


def _parquet(path: Path) -> Iterator[Block]:
    """A block is a row group, so that what nobody needs is not even decompressed."""
    import pyarrow
    import pyarrow.parquet

    faults = (
        pyarrow.ArrowException,
        OSError,
        ValueError,
        OverflowError,
    )  # the last two: values Python cannot hold

    def broken(e: Exception) -> QftError:
        reason = first_line(e)
        return QftError(f"{path}: not a readable parquet file ({reason}).")

    def read(group: int, number: int) -> Iterator[Row]:
        try:
            for batch in file.iter_batches(row_groups=[group]):
                for value in batch.to_pylist():
                    number += 1
                    yield _row(path, number, value, "row")
        except faults as e:
            raise broken(e) from None

    try:
        with open_data(path), pyarrow.parquet.ParquetFile(path) as file:
            number = 0
            for group in range(file.num_row_groups):
                count = file.metadata.row_group(group).num_rows
                yield count, lambda group=group, number=number: read(group, number)  # type: ignore[misc]
                number += count
    except faults as e:
        raise broken(e) from None


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
    if half := _half(value):
        raise QftError(f"{path}, {unit} {number}: holds half a character (\\u{ord(half):04x} alone); write it whole.")
    return Row(path, number, value, unit)


def _half(value: Any) -> str | None:
    """The first lone surrogate in any text of a row: no encoding has bytes for it."""
    todo = [value]
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            todo += [*value, *value.values()]
        elif isinstance(value, list):
            todo += value
        elif isinstance(value, str) and not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError as e:
                return value[e.start]
    return None
