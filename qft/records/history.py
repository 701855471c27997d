"""history.csv: a row a step."""

import csv
import io
from pathlib import Path
from typing import Any

from qft.errors import QftError
from qft.process.files import write_text

HISTORY = ("step", "epoch", "train_loss", "validation_loss", "lr", "seconds", "tokens_per_second", "peak_memory_mb")


def write_history(path: Path, rows: list[dict[str, Any]]) -> None:
    """history.csv from rows with the keys of HISTORY; a missing value is an empty cell."""
    text = io.StringIO()
    writer = csv.DictWriter(text, HISTORY, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def read_history(path: Path) -> list[dict[str, float | None]]:
    """history.csv as numbers; an empty cell is None. Raises QftError where it is missing or damaged."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise QftError(f"{path} cannot be read: {error}") from error
    header, *rows = csv.reader(io.StringIO(text)) if text.endswith("\n") else [[]]
    if tuple(header) != HISTORY:
        raise QftError(f"{path} is damaged: it does not begin with its columns or is cut off in a line.")
    out = []
    for number, row in enumerate(rows, 2):
        try:
            out.append({k: float(v) if v else None for k, v in zip(HISTORY, row, strict=True)})
        except ValueError:
            raise QftError(f"{path}, row {number}: not {len(HISTORY)} numbers.") from None
    return out
