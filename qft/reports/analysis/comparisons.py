"""Which rows are compared with which, and how: every method with LoRA r=4, every control with its method.

Scores: each sample's scores are averaged over the seeds both rows finished, then compared sample by sample.
Losses: compared seed by seed. A family of tests, corrected together by Holm, is one score or loss of one question:
every row against LoRA r=4 (the untuned base apart), a method against itself without its circuit, against classical
stand-ins for it, against its other controls.
"""

import zlib
from dataclasses import dataclass, replace

import numpy as np

from qft.evaluation.metrics.base import Measure
from qft.reports.analysis import measures, statistics
from qft.reports.sweep import NOISE, Cell, Group, Sample, Sweep, is_lora, ordered

STAND_INS = ("constants", "silu", "polynomial")  # values of circuit= that put something classical in its place
Pairs = list[tuple[list[Cell], list[Cell]]]  # the runs of two rows


@dataclass(frozen=True)
class Comparison:
    """``row`` against ``other`` on one dataset and n, by one score or loss.

    Attributes:
        seeds: runs of ``row`` that were compared.
        mean, other_mean: of the two rows.
        difference: ``row`` minus ``other``, over test samples for a score, over seeds for a loss.
        over_seeds: 95 % interval of the difference from seed to seed (paired t), None for one seed.
        agree: of ``compared`` pairs of runs, how many alone differ to the side to which the means differ.
    """

    row: str
    other: str
    data: str
    n: int
    measure: Measure
    seeds: int
    mean: float
    other_mean: float
    difference: statistics.Difference
    over_seeds: statistics.Interval | None
    agree: int
    compared: int

    @property
    def improves(self) -> bool:
        """Whether the difference points to the better side, decided or not."""
        return (self.difference.mean > 0) == self.measure.higher_is_better and self.difference.mean != 0

    @property
    def improvement(self) -> float:
        """Probability of improvement: how often ``row`` is on the better side, ties counted half."""
        return self.difference.better if self.measure.higher_is_better else 1 - self.difference.better

    @property
    def decided(self) -> bool:
        """Whether both intervals, over samples and over seeds, leave out zero and p after Holm is below 0.05.

        The one over seeds is ours: an interval over test samples knows nothing of other seeds, so one seed decides
        nothing.
        """
        return self.difference.decided and self.over_seeds is not None and not statistics.holds_zero(self.over_seeds)

    @property
    def verdict(self) -> str:
        """``better``, ``worse`` or ``undecided``."""
        if not self.decided:
            return "undecided"
        return "better" if self.improves else "worse"


def per_sample(cells: list[Cell], score: str) -> dict[Sample, float]:
    """Sample -> mean over seeds, for the samples that every seed scored."""
    scored = [c.scores[score] for c in cells]
    common = set.intersection(*(set(s) for s in scored)) if scored else set()
    return {sample: float(np.mean([s[sample] for s in scored])) for sample in sorted(common)}


def with_lora(sweep: Sweep) -> list[Comparison]:
    """Every plain row, the base included, against LoRA r=4 where both finished."""
    rows: Pairs = []
    bases: Pairs = []
    for data, n in ordered((c.data, c.n) for c in sweep.plain()):
        plain = [c for c in sweep.plain() if (c.data, c.n) == (data, n)]
        lora = [c for c in plain if is_lora(c)]
        for row in ordered(c.row for c in plain if not is_lora(c)):
            cells = [c for c in plain if c.row == row]
            (bases if cells[0].role == "base" else rows).append((cells, lora))
    return corrected(sweep, rows, bases)


def controls(sweep: Sweep) -> list[Comparison]:
    """Every control against the method it was made from; positive differences are what the method has more."""
    without: Pairs = []
    stand_ins: Pairs = []
    others: Pairs = []
    for cell in _first_of_rows(sweep):
        if cell.variant and not set(cell.variant) & set(NOISE):
            whole = [c for c in sweep.plain() if (c.adapter, c.data, c.n) == (cell.adapter, cell.data, cell.n)]
            circuit = cell.variant.get("circuit") if len(cell.variant) == 1 else None
            family = without if circuit == "none" else stand_ins if circuit in STAND_INS else others
            family.append((whole, sweep.of(cell.group)))
    return corrected(sweep, without, stand_ins, others)


def _first_of_rows(sweep: Sweep) -> list[Cell]:
    seen: dict[Group, Cell] = {}
    for cell in sweep.final():
        seen.setdefault(cell.group, cell)
    return list(seen.values())


def corrected(sweep: Sweep, *families: Pairs) -> list[Comparison]:
    """All pairs by every loss and score; those of a family by the same one are corrected together."""
    out: list[Comparison] = []
    for measure in [*measures.LOSSES, *measures.scores(sweep)]:
        for pairs in families:
            family = [c for rows in pairs if (c := compare(*rows, measure)) is not None]
            differences = statistics.holm_all([c.difference for c in family])
            out += [replace(c, difference=difference) for c, difference in zip(family, differences)]
    return out


def compare(cells: list[Cell], others: list[Cell], measure: Measure) -> Comparison | None:
    """The runs of two rows by one measure; None where either row has nothing finished to compare."""
    left, right = _same_seeds(*([c for c in row if c.done and _has(c, measure)] for row in (cells, others)))
    if not left or not right:
        return None
    one, two = left[0], right[0]
    x, y = ([_alone(c, measure) for c in side] for side in zip(*_pairs(left, right)))
    by_seed = difference = statistics.compare_seeds(x, y)
    agree = sum((u - v) * by_seed.mean > 0 for u, v in zip(x, y))
    if not measures.is_loss(measure):
        p, q = per_sample(left, measure.name), per_sample(right, measure.name)
        samples = sorted(set(p) & set(q))
        if not samples:
            return None
        x, y = [p[s] for s in samples], [q[s] for s in samples]
        # a generator for each comparison: cells added elsewhere do not change this one's numbers
        key = zlib.crc32(f"{one.row}|{two.row}|{one.data}|{one.n}|{measure.name}".encode())
        difference = statistics.compare_samples(x, y, np.random.default_rng(key))
    means = float(np.mean(x)), float(np.mean(y))
    names = one.row, two.row, one.data, one.n, measure
    return Comparison(*names, len(left), *means, difference, by_seed.interval, agree, by_seed.count)


def _same_seeds(cells: list[Cell], others: list[Cell]) -> tuple[list[Cell], list[Cell]]:
    """The runs of both rows with the same seeds; the untuned base has no seeds and meets every run of the other."""
    a, b = {c.seed: c for c in cells}, {c.seed: c for c in others}
    if any(c.role == "base" for c in [*cells, *others]):
        return list(a.values()), list(b.values())
    seeds = sorted(set(a) & set(b))
    return [a[s] for s in seeds], [b[s] for s in seeds]


def _pairs(left: list[Cell], right: list[Cell]) -> list[tuple[Cell, Cell]]:
    """Run by run; the one run of the untuned base meets every run of the other side."""
    longer = max(len(left), len(right))
    return list(zip(left * (longer // len(left)), right * (longer // len(right))))


def _alone(cell: Cell, measure: Measure) -> float:
    """One run's loss or score."""
    if measures.is_loss(measure):
        return float(cell.loss(measure.name) or 0.0)
    return float(np.mean(list(cell.scores[measure.name].values())))


def _has(cell: Cell, measure: Measure) -> bool:
    return cell.loss(measure.name) is not None if measures.is_loss(measure) else measure.name in cell.scores
