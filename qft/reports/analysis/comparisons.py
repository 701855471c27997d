"""Which rows are compared with which, and how: every method with LoRA r=4, every control with its method.

Scores: each sample's scores are averaged over the seeds both rows finished, then compared sample by sample.
Losses: compared seed by seed. A family of tests, corrected together by Holm, is one score or loss of one question:
every row against LoRA r=4 (the untuned base apart), a method against itself without its circuit, against classical
stand-ins for it, against its other controls.
"""

import zlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from qft.reports.analysis import published, statistics
from qft.reports.read import NOISE, Cell, Group, Sweep, is_lora, ordered

STAND_INS = ("constants", "silu", "polynomial")  # values of circuit= that put something classical in its place
Pairs = list[tuple[list[Cell], list[Cell]]]  # the runs of two rows
LOSSES = {"train_loss_run_mean": "train loss", "validation_loss": "validation loss"}


@dataclass(frozen=True)
class Versus:
    """``row`` against ``other`` on one dataset and n, by one score or loss; ``seeds`` on the side of ``row``.

    ``over_seeds``: 95 % interval of the difference from seed to seed (paired t), None for one seed. ``agree``: of
    ``compared`` pairs of runs, how many alone differ to the side to which the means differ.
    """

    row: str
    other: str
    data: str
    n: int
    measure: str
    higher_is_better: bool
    seeds: int
    mean: float
    other_mean: float
    over_seeds: statistics.Interval | None
    agree: int
    compared: int
    result: statistics.Comparison

    @property
    def improves(self) -> bool:
        """Whether the difference points to the better side, decided or not."""
        return (self.result.difference > 0) == self.higher_is_better and self.result.difference != 0

    @property
    def improvement(self) -> float:
        """Probability of improvement: how often ``row`` is on the better side, ties counted half."""
        return self.result.better if self.higher_is_better else 1 - self.result.better

    @property
    def decided(self) -> bool:
        """Whether both intervals, over samples and over seeds, leave out zero and p after Holm is below 0.05.

        The one over seeds is ours: an interval over test samples knows nothing of other seeds, so one seed decides
        nothing.
        """
        return self.result.decided and self.over_seeds is not None and not statistics.holds_zero(self.over_seeds)

    @property
    def verdict(self) -> str:
        """``better``, ``worse`` or ``undecided``."""
        if not self.decided:
            return "undecided"
        return "better" if self.improves else "worse"


def measures(sweep: Sweep) -> list[str]:
    """The scores shown beside published numbers that any cell of the sweep has, in the papers' order."""
    have = {name for c in sweep.final() if c.done for name in c.measured.test}
    chosen = [name for name in published.MEASURED_AS.values() if name in have]
    return chosen or sorted(have)


def primary(sweep: Sweep, data: str) -> str | None:
    """The one score a sentence is about: accuracy where every answer is right or wrong, else ROUGE-L, else the first.

    Where only some answers can be right or wrong (talks and arithmetic mixed), accuracy speaks for those alone.
    """
    sizes: dict[str, int] = {}
    for cell in sweep.final():
        for name, samples in cell.scores.items():
            if cell.data == data:
                sizes[name] = max(sizes.get(name, 0), len(samples))
    all_answers = [m for m in sizes if sizes[m] == max(sizes.values())]
    chosen = [m for m in ("accuracy", "rougel_llamafactory", *measures(sweep)) if m in all_answers]
    return chosen[0] if chosen else None


def title(measure: str) -> str:
    """A score's or a loss's name for people."""
    names = {score: published.TITLES[metric] for metric, score in published.MEASURED_AS.items()}
    return names.get(measure) or LOSSES.get(measure) or measure.replace("_", " ")


def per_sample(cells: list[Cell], score: str) -> dict[Any, float]:
    """Sample -> mean over seeds, for the samples that every seed scored."""
    scored = [c.scores[score] for c in cells]
    common = set.intersection(*(set(s) for s in scored)) if scored else set()
    return {sample: float(np.mean([s[sample] for s in scored])) for sample in sorted(common)}


def with_lora(sweep: Sweep) -> list[Versus]:
    """Every plain row, the base included, against LoRA r=4 where both finished."""
    rows: Pairs = []
    bases: Pairs = []
    for data, n in ordered((c.data, c.n) for c in sweep.plain()):
        here = [c for c in sweep.plain() if (c.data, c.n) == (data, n)]
        lora = [c for c in here if is_lora(c)]
        for row in ordered(c.row for c in here if not is_lora(c)):
            own = [c for c in here if c.row == row]
            (bases if own[0].role == "base" else rows).append((own, lora))
    return corrected(sweep, rows, bases)


def controls(sweep: Sweep) -> list[Versus]:
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


def corrected(sweep: Sweep, *families: Pairs) -> list[Versus]:
    """All pairs by every loss and score; those of a family by the same one are corrected together."""
    out: list[Versus] = []
    for measure in [*LOSSES, *measures(sweep)]:
        for pairs in families:
            family = [v for rows in pairs if (v := _versus(*rows, measure)) is not None]
            results = statistics.holm_all([v.result for v in family])
            out += [replace(v, result=result) for v, result in zip(family, results)]
    return out


def _versus(cells: list[Cell], others: list[Cell], measure: str) -> Versus | None:
    """None where either row has nothing finished to compare."""
    a = {c.seed: c for c in cells if c.done and _has(c, measure)}
    b = {c.seed: c for c in others if c.done and _has(c, measure)}
    fixed = any(c.role == "base" for c in [*cells, *others])  # the untuned base has no seeds: it meets all of LoRA's
    seeds = sorted(set(a) & set(b))
    left = [a[s] for s in a] if fixed else [a[s] for s in seeds]
    right = [b[s] for s in b] if fixed else [b[s] for s in seeds]
    if not left or not right:
        return None
    one, two = left[0], right[0]
    x, y = ([_alone(c, measure) for c in side] for side in zip(*_pairs(left, right)))
    by_seed = result = statistics.compare_seeds(x, y)
    agree = sum((u - v) * by_seed.difference > 0 for u, v in zip(x, y))
    if measure not in LOSSES:
        p, q = per_sample(left, measure), per_sample(right, measure)
        samples = sorted(set(p) & set(q))
        if not samples:
            return None
        x, y = [p[s] for s in samples], [q[s] for s in samples]
        # a generator of its own for each comparison: one cell more elsewhere changes no number here
        key = zlib.crc32(f"{one.row}|{two.row}|{one.data}|{one.n}|{measure}".encode())
        result = statistics.compare_samples(x, y, np.random.default_rng(key))
    higher = measure not in LOSSES and _higher(left, measure)
    means = float(np.mean(x)), float(np.mean(y))
    names = one.row, two.row, one.data, one.n, measure
    return Versus(*names, higher, len(left), *means, by_seed.interval, agree, by_seed.count, result)


def _pairs(left: list[Cell], right: list[Cell]) -> list[tuple[Cell, Cell]]:
    """Run by run; the one run of the untuned base meets every run of the other side."""
    longer = max(len(left), len(right))
    return list(zip(left * (longer // len(left)), right * (longer // len(right))))


def _alone(cell: Cell, measure: str) -> float:
    """One run's loss or score."""
    if measure in LOSSES:
        return float(cell.loss(measure) or 0.0)
    return float(np.mean(list(cell.scores[measure].values())))


def _has(cell: Cell, measure: str) -> bool:
    return cell.loss(measure) is not None if measure in LOSSES else measure in cell.scores


def _higher(cells: list[Cell], measure: str) -> bool:
    return cells[0].measured.test[measure].higher_is_better if measure in cells[0].measured.test else True
