"""JSON documents and lines of a run: written whole or not at all, read as the standard has them."""

import json
import logging
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from qft.errors import QftError
from qft.names import shortened
from qft.process.files import write_text
from qft.records.schema import Document, Misfit, Newer, from_json, to_json

log = logging.getLogger(__name__)
T = TypeVar("T")
D = TypeVar("D", bound=Document)
REPEAT = "repair it, or remove it and repeat qft eval, which answers it again"


def read(path: Path, kind: type[D]) -> D:
    """One document of ours. Raises QftError where it is missing, damaged, newer than this program or something else."""
    content = read_json(path, kind.ADVICE)
    try:
        return from_json(kind, content)
    except Newer as error:
        raise QftError(f"{path} cannot be read: {error}.") from error
    except Misfit as error:
        raise QftError(f"{path} is damaged ({error}); {kind.ADVICE}.") from error


def write(path: Path, document: Document) -> None:
    """Write one document whole or not at all."""
    write_json(path, to_json(document))


def read_lines(path: Path, kind: type[T], advice: str = REPEAT) -> list[T]:
    """A file of one JSON object a line, in its order; [] where there is none.

    A last line without its newline was cut off and is left out, with a warning. Raises QftError, with file, row and
    reason, for any other line that is no ``kind``.
    """
    if path.exists() and not path.is_file():
        raise QftError(f"{path} is not a file.")
    try:
        *lines, tail = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise QftError(f"{path} cannot be read: {error.strerror}.") from error
    if tail:
        log.warning("%s, row %d: cut off in the middle of the line; it does not count.", path, len(lines) + 1)
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            rows.append(from_json(kind, strict_json(line)))
        except Misfit as error:
            raise QftError(f"{path}, row {number}: {error}; {advice}.") from None
        except (ValueError, RecursionError) as error:
            raise QftError(f"{path}, row {number}: not JSON ({error}); {advice}.") from None
    return rows


def line(row: Any) -> str:
    """A dataclass as one line of JSON."""
    return json.dumps(to_json(row), ensure_ascii=False, allow_nan=False) + "\n"


def write_lines(path: Path, rows: Iterable[Any]) -> None:
    """Write dataclasses, one a line, whole or not at all."""
    write_text(path, "".join(map(line, rows)))


def write_json(path: Path, content: Any) -> None:
    """Write JSON content whole or not at all."""
    write_text(path, json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def read_json(path: Path, advice: str = Document.ADVICE) -> Any:
    """JSON content of a file. Raises QftError where it is missing or damaged."""
    if path.exists() and not path.is_file():  # reading a pipe would block for ever
        raise QftError(f"{path} is not a file.")
    try:
        return strict_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise QftError(f"{path} is missing.") from None
    except (ValueError, OSError, RecursionError) as error:
        raise QftError(f"{path} is damaged ({error}); {advice}.") from error


def strict_json(text: str | bytes) -> Any:
    """One JSON document as the standard has it and as we write them. Raises ValueError for any other.

    NaN, infinities and whole numbers that no float can hold would fail later, wherever they are calculated with.
    """
    return _STRICT.decode(text if isinstance(text, str) else text.decode("utf-8"))


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{shortened(text)} is not a number")
    return number


def _whole(text: str) -> int:
    _finite(text)
    return int(text)


_STRICT = json.JSONDecoder(parse_constant=_finite, parse_float=_finite, parse_int=_whole)
