"""Which rows are compared with which, and what each comparison says.

Every method with LoRA r=4, every control with its method. A question is a set of pairs that one claim speaks of: every
row against LoRA r=4 (the untuned base apart), a method against itself without its circuit, against classical stand-ins
for it, against its other controls. One interval decides each pair, simultaneous over all planned pairs of its question;
it is asked once by the held-out loss and once by the data set's score. docs/statistics.md has the rules.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from qft.evaluation.metrics.base import Measure
from qft.reports.analysis import measures
from qft.reports.analysis.items import Tables, tables
from qft.reports.sweep import NOISE, Cell, Group, Sweep, changes, is_lora, ordered
from qft.statistics import summary, variance, verdict
from qft.statistics.verdict import Verdict

STAND_INS = ("constants", "silu", "polynomial")  # values of circuit= that put something classical in its place
WORDS = (verdict.BETTER, verdict.WORSE, verdict.EQUAL, verdict.UNDECIDED, verdict.DESCRIPTIVE)
Pairs = list[tuple[list[Cell], list[Cell]]]  # the runs of two rows


@dataclass(frozen=True)
class Comparison:
    """``row`` against ``other`` on one dataset and n, by one score or loss.

    Attributes:
        seeds, items: runs of a row that were compared, and values of each.
        mean, other_mean: of the two rows.
        verdict: ``row`` minus ``other``: the difference, its interval and the word.
        margin: differences below it count as none; None: nothing is equal.
        planned: comparisons of the question; the interval is simultaneous over them.
        correlation: of seeds, mean over the pairs of the question on this data set and n; None: no row varies.
        adjusted: p after Holm's correction within the question, as information.
        effect: Cohen's d_z over items; None where they have no spread.
        improvement: share of items on which ``row`` is on the better side, ties half.
        agree: of the seeds, how many alone differ to the side to which the means differ.
    """

    row: str
    other: str
    data: str
    n: int
    measure: Measure
    seeds: int
    items: int
    mean: float
    other_mean: float
    verdict: Verdict
    margin: float | None
    planned: int
    correlation: float | None
    effect: float | None
    improvement: float
    agree: int
    adjusted: float | None = None
    looks: int = 1  # at which seeds could be added; each has its share of the error
    other_bracketed: bool = True  # whether the search of ``other`` left no better learning rate open

    @property
    def word(self) -> str:
        """better, worse, equal, undecided or descriptive; what lies within the margin is not told apart here."""
        return self.verdict.side

    @property
    def decided(self) -> bool:
        """Whether the rows are told apart."""
        return self.word in (verdict.BETTER, verdict.WORSE)

    @property
    def interval(self) -> tuple[float, float] | None:
        """The simultaneous interval of the difference; None where nothing gives one."""
        ends = self.verdict.low, self.verdict.high
        return ends if all(map(math.isfinite, ends)) else None

    @property
    def p(self) -> float | None:
        """p of this difference alone; None where nothing gives one."""
        return None if math.isnan(self.verdict.p) else self.verdict.p


@dataclass(frozen=True)
class _Pair:
    """Two rows of a question, with the values to compare."""

    row: Cell
    other: Cell
    tables: Tables
    margin: float | None
    correlation: float  # of seeds; NaN where a row does not vary

    @property
    def where(self) -> tuple[str, int]:
        return self.row.data, self.row.n


def with_lora(sweep: Sweep) -> list[Comparison]:
    """Every plain row, the base included, against LoRA r=4 where both finished."""
    rows: Pairs = []
    bases: Pairs = []
    for data, n in ordered((c.data, c.n) for c in sweep.plain()):
        plain = [c for c in sweep.plain() if (c.data, c.n) == (data, n)]
        lora = [c for c in plain if is_lora(c)]
        for row in ordered(c.row for c in plain if lora and not is_lora(c)):
            cells = [c for c in plain if c.row == row]
            (bases if cells[0].role == "base" else rows).append((cells, lora))
    return answered(sweep, rows, bases)


def controls(sweep: Sweep) -> list[Comparison]:
    """Every control against the method it was made from; positive differences are what the method has more."""
    without: Pairs = []
    stand_ins: Pairs = []
    others: Pairs = []
    for cell in _first_of_rows(sweep):
        if cell.variant and not set(cell.variant) & set(NOISE):
            whole = [c for c in sweep.plain() if changes(cell, c)]
            circuit = cell.variant.get("circuit") if len(cell.variant) == 1 else None
            question = without if circuit == "none" else stand_ins if circuit in STAND_INS else others
            changed = sweep.of(cell.group)
            question += [([c for c in whole if c.row == row], changed) for row in ordered(c.row for c in whole)]
    return answered(sweep, without, stand_ins, others)


def _first_of_rows(sweep: Sweep) -> list[Cell]:
    seen: dict[Group, Cell] = {}
    for cell in sweep.final():
        seen.setdefault(cell.group, cell)
    return list(seen.values())


def answered(sweep: Sweep, *questions: Pairs, more: int = 0) -> list[Comparison]:
    """All pairs of all questions by every loss and score; ``more``: pairs that each may come to have besides."""
    out: list[Comparison] = []
    for measure in [measures.HELDOUT, *measures.LOSSES, *measures.scores(sweep)]:
        for planned in questions:
            out += by_measure(sweep, planned, measure, len(planned) + more)
    return out


def by_measure(sweep: Sweep, rows: Pairs, measure: Measure, planned: int, named: bool = False) -> list[Comparison]:
    """The pairs of one question by one measure, where both rows have finished.

    Args:
        planned: comparisons of the whole claim, these pairs among them.
        named: whether a claim named this score beforehand, so that it decides whatever else was scored.
    """
    pairs = [pair for cells in rows if (pair := _pair(*cells, measure)) is not None]
    of_seeds = {
        where: float(variance.mean_correlation(np.array([p.correlation for p in pairs if p.where == where])))
        for where in {p.where for p in pairs}
    }
    out = []
    for pair in pairs:
        instead = None if named and not measures.is_loss(measure) else measures.decides(sweep, pair.row.data, measure)
        out.append(_comparison(sweep, pair, measure, planned, of_seeds[pair.where], instead))
    return [replace(c, adjusted=p) for c, p in zip(out, summary.holm([c.p for c in out]))]


def _pair(cells: list[Cell], others: list[Cell], measure: Measure) -> _Pair | None:
    """The runs of two rows by one measure; None where either row has nothing finished to compare."""
    left, right = _same_seeds(*([c for c in row if c.done and _has(c, measure)] for row in (cells, others)))
    values = tables(left, right, measure) if left and right else None
    if values is None:
        return None
    correlation = float(variance.correlation(values.one, values.other))
    stated = {c.margin for c in (*left, *right) if c.record} if measure == measures.HELDOUT else set()
    margin = stated.pop() if len(stated) == 1 else None  # one that was changed in between is none
    return _Pair(left[0], right[0], values, margin, correlation)


def _comparison(
    sweep: Sweep, pair: _Pair, measure: Measure, planned: int, correlation: float, instead: str | None
) -> Comparison:
    """``instead``: what decides where this measure does not."""
    one, other = pair.tables.one, pair.tables.other
    estimate = variance.estimate(one, other, np.array(correlation), pair.tables.families)
    found = verdict.judge(estimate, pair.margin, verdict.level(planned, sweep.looks), measure.higher_is_better)
    if instead is not None:
        found = replace(found, word=verdict.DESCRIPTIVE, help=instead)
    searched = sweep.bracketed(pair.row), sweep.bracketed(pair.other)
    found = verdict.with_searches(found, *searched)
    differences = one - other
    of_items, of_seeds = differences.mean(1), differences.mean(0)
    above = summary.share_above(of_items)
    return Comparison(
        row=pair.row.row,
        other=pair.other.row,
        data=pair.row.data,
        n=pair.row.n,
        measure=measure,
        seeds=differences.shape[1],
        items=differences.shape[0],
        mean=float(one.mean()),
        other_mean=float(other.mean()),
        verdict=found,
        margin=pair.margin,
        planned=planned,
        correlation=None if math.isnan(correlation) else correlation,
        effect=summary.effect_size(of_items) if len(of_items) > 1 else None,
        improvement=above if measure.higher_is_better else 1 - above,
        agree=int((of_seeds * found.estimate > 0).sum()),
        looks=sweep.looks,
        other_bracketed=searched[1],
    )


def _same_seeds(cells: list[Cell], others: list[Cell]) -> tuple[list[Cell], list[Cell]]:
    """The runs of both rows with the same seeds; the untuned base has no seeds and meets every run of the other."""
    a, b = {c.seed: c for c in cells}, {c.seed: c for c in others}
    if any(c.role == "base" for c in [*cells, *others]):
        return list(a.values()), list(b.values())
    seeds = sorted(set(a) & set(b))
    return [a[s] for s in seeds], [b[s] for s in seeds]


def _has(cell: Cell, measure: Measure) -> bool:
    if measures.is_loss(measure):
        return cell.loss(measure.name) is not None
    return measure.name in cell.scores
