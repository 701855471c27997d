"""heldout.csv: the loss of a trained run on each held-out sample, which is what methods are compared by."""

import csv
import io
import math
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from qft.errors import QftError
from qft.process.files import write_text

HELDOUT = "heldout.csv"
LARGEST = 1e15  # nats or tokens of a sample; sums of what is below are finite
ADVICE = "restore it, or train again with overwrite=true"


@dataclass(frozen=True)
class HeldoutLoss:
    """A row of heldout.csv: one held-out sample."""

    sample: str  # digest of its turns, by which runs are compared sample by sample
    family: str  # template of its sentences, where it was generated; else empty
    loss: float  # sum over its supervised tokens, in nats, as exact as it was computed
    tokens: int  # supervised tokens


COLUMNS = tuple(each.name for each in fields(HeldoutLoss))


def mean_loss(rows: Iterable[HeldoutLoss]) -> float | None:
    """Nats a token over all samples: the sum of the losses by the sum of the tokens; None without samples."""
    rows = list(rows)
    return math.fsum(row.loss for row in rows) / sum(row.tokens for row in rows) if rows else None


def write_heldout(path: Path, rows: Iterable[HeldoutLoss]) -> None:
    """Write heldout.csv whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(astuple(row) for row in rows)
    write_text(path, text.getvalue())


def read_heldout(path: Path) -> list[HeldoutLoss]:
    """The rows of heldout.csv; [] where there is none. Raises QftError where it is damaged."""
    if path.exists() and not path.is_file():
        raise QftError(f"{path} is not a file.")
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise QftError(f"{path} cannot be read: {error}") from error
    try:
        header, *lines = csv.reader(io.StringIO(text), strict=True) if text.endswith("\n") else [[]]
    except csv.Error as error:
        raise QftError(f"{path} is damaged ({error}); {ADVICE}.") from error
    if tuple(header) != COLUMNS:
        raise QftError(f"{path} is damaged: it does not begin with its columns or is cut off in a line; {ADVICE}.")
    rows = [_row(path, number, cells) for number, cells in enumerate(lines, 2)]
    if len({row.sample for row in rows}) < len(rows):
        raise QftError(f"{path} is damaged: it has a sample twice; {ADVICE}.")
    return rows


def _row(path: Path, number: int, cells: list[str]) -> HeldoutLoss:
    try:
        sample, family, loss, tokens = cells
        row = HeldoutLoss(sample, family, float(loss), int(tokens))
    except ValueError:
        raise QftError(f"{path}, row {number}: not a sample, its family, a loss and a number of tokens.") from None
    if not abs(row.loss) < LARGEST or not 1 <= row.tokens < LARGEST:
        raise QftError(f"{path}, row {number}: the loss is not finite, or it is of no token or of too many.")
    return row
