"""Every method against the LoRA of about its own size: with fewer parameters than LoRA r=4, that is the fair question.

The papers compare with LoRA r=4 alone; this comparison is ours.
"""

import math
from collections.abc import Sequence

from qft.evaluation.metrics.base import Measure
from qft.reports.analysis import comparisons
from qft.reports.analysis.comparisons import Comparison
from qft.reports.sweep import Cell, Sweep, is_lora, ordered

FACTOR = 1.25  # sizes that lie further apart are no match


def with_lora_of_its_size(sweep: Sweep) -> list[Comparison]:
    """Rows that are no LoRA against the LoRA whose size is nearest, where that is not LoRA r=4.

    Sizes are known once a run has finished; until then a row counts among the planned comparisons.
    """
    pairs, unknown = [], 0
    for data, n in ordered((c.data, c.n) for c in sweep.plain()):
        plain = [c for c in sweep.plain() if (c.data, c.n) == (data, n) and c.role != "base"]
        loras = [[c for c in plain if c.row == row] for row in ordered(c.row for c in plain if c.adapter == "lora")]
        for row in ordered(c.row for c in plain if c.adapter != "lora"):
            cells = [c for c in plain if c.row == row]
            nearest = min(loras, key=lambda lora: _apart(cells, lora), default=None)
            if nearest and _apart(cells, nearest) <= math.log(FACTOR) and not is_lora(nearest[0]):
                pairs.append((cells, nearest))
            elif any(not is_lora(lora[0]) for lora in loras) and not all(map(_size, [cells, *loras])):
                unknown += 1
    return comparisons.answered(sweep, pairs, more=unknown)


def summary(sweep: Sweep, compared: Sequence[Comparison], shown: Sequence[Measure]) -> list[str]:
    """One line a pair of rows: how often each word was said, by the measures ``shown``."""
    lines = []
    for row, other in ordered((c.row, c.other) for c in compared):
        parts = []
        for measure in shown:
            pairs = [c for c in compared if (c.row, c.other, c.measure) == (row, other, measure)]
            said = [c.word for c in pairs]
            counts = [f"{w} in {said.count(w)}{_where(pairs, w)}" for w in comparisons.WORDS if w in said]
            parts += [f"{measure.title} {', '.join(counts)} of {len(said)}"] if said else []
        sizes = " and ".join(f"{_size([c for c in sweep.plain() if c.row == r]):,}" for r in (row, other))
        lines.append(f"{row} against {other}, which is about its size ({sizes} parameters): {'; '.join(parts)}.")
    return lines


def _where(compared: Sequence[Comparison], word: str) -> str:
    """`` (demo_math, n = 600)`` where one comparison alone among several says the word; else nothing."""
    alone = [c for c in compared if c.word == word]
    return f" ({alone[0].data}, n = {alone[0].n})" if len(alone) == 1 < len(compared) else ""


def _size(cells: Sequence[Cell]) -> int:
    """Trainable parameters of a row; 0 where none of its runs has finished."""
    return next((c.parameters.trainable for c in cells if c.parameters), 0)


def _apart(one: Sequence[Cell], other: Sequence[Cell]) -> float:
    """Distance of two sizes, |ln(a / b)|."""
    a, b = _size(one), _size(other)
    return abs(math.log(a / b)) if a and b else math.inf
