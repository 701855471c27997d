"""The Pareto front: the rows that no other row beats in size and result at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qft.evaluation.metrics.base import Measure
from qft.reports.analysis import measures
from qft.reports.sweep import Cell, Sweep, ordered
from qft.statistics.summary import mean_sd

FEWEST = 6  # rows that are worth a section of their own; of fewer the picture under Training tells all
FAR = 3  # interquartile ranges beyond the third quartile


@dataclass(frozen=True)
class Point:
    """A row on one data set at one n.

    Attributes:
        cells: Its runs that have a value.
        parameters: Trainable ones.
        mean: Of the measure, over seeds.
        sd: Standard deviation over seeds; None with one seed.
    """

    row: str
    cells: tuple[Cell, ...]
    parameters: int
    mean: float
    sd: float | None


def front(sizes: Sequence[float], values: Sequence[float], higher_is_better: bool = False) -> list[int]:
    """The places of the points that are not dominated, the smallest size first.

    A point is dominated where another has neither more parameters nor a worse value, and is better in one of the two.
    Points that are equal in both stand on the front together.

    Args:
        sizes: Trainable parameters of each point.
        values: Its loss or score.
        higher_is_better: Whether the value is a score.
    """
    worse = [-value if higher_is_better else value for value in values]
    chosen: list[int] = []
    for k in sorted(range(len(sizes)), key=lambda k: (sizes[k], worse[k])):
        last = chosen[-1] if chosen else None
        if last is None or worse[k] < worse[last] or (sizes[k], worse[k]) == (sizes[last], worse[last]):
            chosen.append(k)
    return chosen


def compared(sweep: Sweep) -> bool:
    """Whether a sweep has rows enough to ask which of them are on the front."""
    return len({c.row for c in sweep.plain() if c.parameters and c.role != "base"}) >= FEWEST


def points(sweep: Sweep, measure: Measure, data: str, n: int) -> list[Point]:
    """The rows of plain methods that have this measure, the smallest first."""
    cells = [c for c in sweep.plain() if (c.data, c.n) == (data, n) and c.parameters and c.role != "base"]
    made = []
    for row in ordered(c.row for c in cells):
        runs = [c for c in cells if c.row == row and measures.value(c, measure) is not None]
        if runs and runs[0].parameters:
            mean, sd = mean_sd([measures.value(c, measure) or 0.0 for c in runs])
            made.append(Point(row, tuple(runs), runs[0].parameters.trainable, mean, sd))
    return sorted(made, key=lambda point: point.parameters)


def on_front(made: Sequence[Point], measure: Measure) -> list[Point]:
    """Those of the points that are not dominated."""
    chosen = front([p.parameters for p in made], [p.mean for p in made], measure.higher_is_better)
    return [made[k] for k in chosen]


def drawn(values: Sequence[float], best: Sequence[float], higher_is_better: bool) -> list[float]:
    """Where a picture shows the values: those far worse than the rest would press the others together.

    A value is far off that lies beyond the third quartile by more than three interquartile ranges, and by more than all
    that the better three quarters span. It stands at the worst of the others.

    Args:
        values: Of all points.
        best: Of the front, whose points stay where they are.
        higher_is_better: Whether they are scores.
    """
    sign = -1 if higher_is_better else 1
    worse = [sign * value for value in values]
    quarter, three = np.quantile(worse, (0.25, 0.75))
    fence = max(three + max(FAR * (three - quarter), three - min(worse)), *(sign * value for value in best))
    edge = max(value for value in worse if value <= fence)
    return [value if sign * value <= fence else sign * edge for value in values]
