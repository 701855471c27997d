"""history.csv: a row a step; a value that was not measured there is an empty cell."""

import csv
import io
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from qft.errors import QftError
from qft.process.files import write_text


@dataclass(kw_only=True)
class HistoryRow:
    """A row of history.csv; losses are in nats per token."""

    step: int  # of the optimizer; 0 is before the first
    epoch: float | None = None  # passes over the training set by then
    train_loss: float | None = None  # of this step alone
    validation_loss: float | None = None  # mean over the validation set, where it was taken
    lr: float | None = None  # learning rate of the step
    seconds: float | None = None  # since the start, over all starts of the run
    tokens_per_second: float | None = None  # since the row before
    peak_memory_mb: float | None = None  # by then


HISTORY = tuple(each.name for each in fields(HistoryRow))


def write_history(path: Path, rows: Iterable[HistoryRow]) -> None:
    """Write history.csv whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, HISTORY, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    write_text(path, text.getvalue())


def read_history(path: Path) -> list[HistoryRow]:
    """The rows of history.csv. Raises QftError where it is missing or damaged."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise QftError(f"{path} cannot be read: {error}") from error
    header, *rows = csv.reader(io.StringIO(text)) if text.endswith("\n") else [[]]
    if tuple(header) != HISTORY:
        raise QftError(f"{path} is damaged: it does not begin with its columns or is cut off in a line.")
    return [_row(path, number, row) for number, row in enumerate(rows, 2)]


def _row(path: Path, number: int, row: list[str]) -> HistoryRow:
    try:
        step, *others = [float(value) if value else None for value in row]
        names = dict(zip(HISTORY[1:], others, strict=True))
        return HistoryRow(step=int(step if step is not None else ""), **names)
    except (ValueError, OverflowError):
        raise QftError(f"{path}, row {number}: not {len(HISTORY)} numbers.") from None
