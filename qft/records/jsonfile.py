"""JSON documents of a run: written whole or not at all, read as the standard has them."""

import json
import math
from pathlib import Path
from typing import Any

from qft.errors import QftError
from qft.names import shortened
from qft.process.files import write_text


def write_json(path: Path, content: Any) -> None:
    """Write one JSON document whole or not at all."""
    write_text(path, json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read one JSON document of a run. Raises QftError where it is missing or damaged."""
    if path.exists() and not path.is_file():  # a pipe would hold us up for ever
        raise QftError(f"{path} is not a file.")
    try:
        return strict_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise QftError(f"{path} is missing.") from None
    except (ValueError, OSError, RecursionError) as error:
        raise QftError(f"{path} is damaged ({error}); run again with overwrite=true.") from error


def strict_json(text: str | bytes) -> Any:
    """One JSON document as the standard has it and as we write them. Raises ValueError for any other.

    NaN, infinities and whole numbers that no float can hold would fail later, wherever they are calculated with.
    """
    return json.loads(text, parse_constant=_finite, parse_float=_finite, parse_int=_whole)


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{shortened(text)} is not a number")
    return number


def _whole(text: str) -> int:
    _finite(text)
    return int(text)
