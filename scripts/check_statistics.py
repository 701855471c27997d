"""Sweeps whose truth is known, through the functions that reports use; the tables go into docs/statistics.md.

    python scripts/check_statistics.py --workers 16     # writes the page
    python scripts/check_statistics.py --count 500      # a look, without writing

A row's value on item i with seed s is a function of a latent number

    z_is = shift + q_i + a_i + h_s + e_is

q_i is common to all rows (how hard an item is), a_i, h_s and e_is are a row's own. a_i and e_is are normal, and the
difference of two rows varies by 1 from item to item and by 0.5 besides (standard deviations). h_s is normal; ``spread``
is the standard deviation of its difference over the standard error that items give, 1 / sqrt(items). A part ``shared``
of its variance is common to all rows: the order of samples.
"""

import argparse
import math
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
from scipy import optimize, special

from qft.statistics import variance, verdict

AT_ONCE = 500_000  # values drawn together
PAGE = Path(__file__).resolve().parents[1] / "docs" / "statistics.md"
START, END = "<!-- simulated -->", "<!-- end of simulated -->"
PLANNED = (1, 6, 18)  # comparisons behind a claim
HARDNESS, OF_ITEM, OF_REST = 1.0, math.sqrt(0.5), math.sqrt(0.125)  # standard deviations of q, a and e
LENGTHS = 0.5  # standard deviation of the logarithm of an item's number of tokens


@dataclass(frozen=True)
class Kind:
    """What is measured. ``of`` turns latent numbers into values; ``truth`` is their mean over everything drawn.

    ``truth(shift, sd)``: ``sd`` is the standard deviation of the latent number.
    """

    name: str
    of: Callable[[np.ndarray], np.ndarray]
    truth: Callable[[float, float], float]
    level: float  # latent level of a row without shift
    weighted: bool = False  # items count by their tokens


KINDS = {
    "losses": Kind("losses", lambda z: z, lambda shift, sd: shift, 0.0, weighted=True),
    # 0 to 100 and skewed, as ROUGE of a small model: 15 points on average
    "scores": Kind("scores", lambda z: 100 * special.ndtr(z), lambda m, sd: 100 * _normal(m / math.hypot(1, sd)), -1.6),
    "answers": Kind("answers", lambda z: 100.0 * (z > 0), lambda m, sd: 100 * _normal(m / sd), -0.5),
}


@dataclass(frozen=True)
class Setting:
    """One kind of sweep: a reference and ``others`` rows, each with its latent ``shift`` against it."""

    kind: str = "losses"
    items: int = 50
    seeds: int = 5
    spread: float = 0.0
    shared: float = 0.0
    others: int = 1
    shift: float = 0.0

    @property
    def seed_sd(self) -> float:
        """Standard deviation of a row's h_s."""
        apart = max(1 - self.shared, 1e-12)
        return self.spread / math.sqrt(self.items) / math.sqrt(2 * apart)

    @property
    def difference(self) -> float:
        """The true difference of a row and the reference."""
        kind = KINDS[self.kind]
        sd = math.sqrt(HARDNESS**2 + OF_ITEM**2 + OF_REST**2 + self.seed_sd**2)
        return kind.truth(kind.level + self.shift, sd) - kind.truth(kind.level, sd)


def main() -> None:
    """Simulate everything, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000, help="sweeps a line")
    parser.add_argument("--lines", help="one table alone, printed: " + ", ".join(TABLES))
    parser.add_argument("--workers", type=int, default=1, help="processes side by side")
    given = parser.parse_args()
    parts = [f"{given.count:,} sweeps a line; the standard error of 5 % is {_error(given.count)}."]
    with ProcessPoolExecutor(given.workers) as pool:
        for name in [given.lines] if given.lines else TABLES:
            parts.append(TABLES[name].markdown(given.count, pool))
            print(parts[-1], flush=True)
    if given.lines or given.count < 10_000:
        print("not written: docs/statistics.md holds every table, of 10,000 sweeps a line or more", file=sys.stderr)
        return
    head, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
    tail = rest.partition(END)[2]
    PAGE.write_text(f"{head}{START}\n\n" + "\n\n".join(parts) + f"\n\n{END}{tail}", encoding="utf-8")


def draw(setting: Setting, count: int, rng: np.random.Generator) -> np.ndarray:
    """Values of ``count`` sweeps: (count, 1 + others, items, seeds) float64, the reference first."""
    kind, rows = KINDS[setting.kind], 1 + setting.others

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape, dtype=np.float32)

    z = OF_REST * normal(count, rows, setting.items, setting.seeds)
    z += HARDNESS * normal(count, 1, setting.items, 1) + OF_ITEM * normal(count, rows, setting.items, 1)
    if setting.seed_sd:
        common, own = math.sqrt(setting.shared), math.sqrt(1 - setting.shared)
        z += setting.seed_sd * (
            common * normal(count, 1, 1, setting.seeds) + own * normal(count, rows, 1, setting.seeds)
        )
    z += kind.level
    z[:, 1:] += setting.shift
    values = kind.of(z.astype(np.float64))
    if kind.weighted:  # as a report weights an item's loss: by its tokens, over the mean number of tokens
        tokens = np.exp(LENGTHS * normal(count, 1, setting.items, 1).astype(np.float64))
        values *= tokens / tokens.mean(2, keepdims=True)
    return values


def portions(setting: Setting, count: int) -> Iterator[np.ndarray]:
    """The values of ``count`` sweeps, a portion at a time; the same whatever ran before."""
    rng = np.random.default_rng(zlib.crc32(repr(setting).encode()))
    at_once = max(AT_ONCE // ((1 + setting.others) * setting.items * setting.seeds), 1)
    for first in range(0, count, at_once):
        yield draw(setting, min(at_once, count - first), rng)


def estimates(values: np.ndarray, planned: int) -> variance.Estimate:
    """As a report estimates: the first ``planned`` rows, pairs of one question; arrays (count, planned)."""
    rows = values[:, 1 : planned + 1]
    reference = np.broadcast_to(values[:, :1], rows.shape)
    mean = variance.mean_correlation(variance.correlation(rows, reference))
    return variance.estimate(rows, reference, mean)


def rates(setting: Setting, count: int, margin: float | None = None, level: float | None = None) -> dict[str, float]:
    """How often, of a sweep's first pair: ``covered`` by its 95 % interval, and each word at ``level``.

    ``width`` is the mean estimated standard error over the true one.
    """
    covered, counted, means, errors = 0, dict.fromkeys((verdict.BETTER, verdict.WORSE, verdict.EQUAL), 0), [], []
    for values in portions(setting, count):
        estimate = estimates(values, 1)
        low, high = estimate.interval(verdict.ERROR)
        covered += int(((low <= setting.difference) & (setting.difference <= high)).sum())
        words = sides(estimate, margin, level or verdict.level(1))
        for word in counted:
            counted[word] += int((words == word).sum())
        means.append(estimate.mean.ravel())
        errors.append(np.sqrt(estimate.variance).ravel())
    width = float(np.concatenate(errors).mean() / np.concatenate(means).std())
    return {word: times / count for word, times in counted.items()} | {"covered": covered / count, "width": width}


def false_verdicts(setting: Setting, count: int) -> list[float]:
    """How often any of the first m rows is called better or worse than the reference, for each m of PLANNED."""
    some = [0] * len(PLANNED)
    for values in portions(replace(setting, others=max(PLANNED)), count):
        for k, m in enumerate(PLANNED):
            some[k] += int(_decided(values, m, verdict.level(m)).any(-1).sum())
    return [times / count for times in some]


def auto(setting: Setting, count: int) -> list[float]:
    """The same with seeds=auto: looks at 5, 10 and 15 seeds."""
    some = [0] * len(PLANNED)
    for values in portions(replace(setting, others=max(PLANNED), seeds=15), count):
        for k, m in enumerate(PLANNED):
            looks = [_decided(values[..., :seeds], m, verdict.level(m, verdict.LOOKS)) for seeds in (5, 10, 15)]
            some[k] += int(np.any(looks, axis=(0, 2)).sum())
    return [times / count for times in some]


def _decided(values: np.ndarray, planned: int, level: float) -> np.ndarray:
    return np.isin(sides(estimates(values, planned), None, level), (verdict.BETTER, verdict.WORSE))


def sides(estimate: variance.Estimate, margin: float | None, level: float) -> np.ndarray:
    """Words without "by less than the margin"."""
    return np.char.replace(verdict.words(estimate, margin, level), verdict.BY_LESS, "")


def shift_for(setting: Setting, effect: float) -> float:
    """The shift at which differences of items, means over seeds, have this d_z (a loss: without lengths)."""
    rng = np.random.default_rng(7)
    many = replace(setting, items=100_000)
    plain = replace(KINDS[setting.kind], weighted=False)

    def gap(shift: float) -> float:
        z = OF_REST * rng.standard_normal((2, many.items, many.seeds))
        z += OF_ITEM * rng.standard_normal((2, many.items, 1)) + HARDNESS * rng.standard_normal((1, many.items, 1))
        values = plain.of(z + plain.level + np.array([0, shift])[:, None, None]).mean(-1)
        d = values[1] - values[0]
        return float(d.mean() / d.std()) - effect

    def same_draws(shift: float) -> float:
        nonlocal rng
        rng = np.random.default_rng(7)
        return gap(shift)

    return float(optimize.brentq(same_draws, 0, 5, xtol=1e-3))


def _nothing(count: int, kind: str, items: int, seeds: int, spread: float) -> list[object]:
    setting, main = Setting(kind, items, seeds, spread), (items, seeds) == (50, 5)
    times = count if main else count // 5 if items == 50 else count // 10
    found = rates(setting, count if main else count // 2)
    some = false_verdicts(setting, times)
    return [
        kind,
        items,
        seeds,
        f"{spread:g}",
        _percent(found["covered"]),
        f"{found['width']:.2f}",
        *map(_percent, some),
    ]


def _auto(count: int, kind: str, items: int, spread: float) -> list[object]:
    return [kind, items, f"{spread:g}", *map(_percent, auto(Setting(kind, items, spread=spread), count // 5))]


def _shared(count: int, seeds: int, spread: float, shared: float) -> list[object]:
    setting = Setting(seeds=seeds, spread=spread, shared=shared)
    some = false_verdicts(setting, count // 5)
    return [seeds, f"{spread:g}", f"{shared:g}", *map(_percent, some)]


def _margin(count: int, items: int, seeds: int, spread: float, size: float) -> list[object]:
    error = math.sqrt((1 + (0.25 + spread**2) / seeds) / items)
    setting = Setting("losses", items, seeds, spread, shift=size * error)
    wrong = rates(setting, count // 2, margin=setting.shift)["equal"]
    right = rates(replace(setting, shift=0.0), count // 2, margin=setting.shift)["equal"]
    return [items, seeds, f"{spread:g}", f"{size:g}", _percent(wrong), _percent(right)]


def _power(count: int, kind: str, items: int, seeds: int, spread: float) -> list[object]:
    setting = Setting(kind, items, seeds, spread)
    setting = replace(setting, shift=shift_for(setting, 0.5))
    found = [rates(setting, count // 2, level=verdict.level(m))["better"] for m in PLANNED]
    return [kind, items, seeds, f"{spread:g}", *map(_percent, found)]


@dataclass(frozen=True)
class Table:
    """A table of the page: a line for each of ``cases``, which ``line(count, *case)`` simulates."""

    title: str
    about: str
    columns: Sequence[str]
    cases: Sequence[tuple[object, ...]]
    line: Callable[..., list[object]]

    def markdown(self, count: int, pool: Executor) -> str:
        """The table, its lines simulated side by side."""
        lines = list(pool.map(self.line, [count] * len(self.cases), *zip(*self.cases)))
        head = [_line(self.columns), "|---" + "|---:" * (len(self.columns) - 1) + "|"]
        return "\n".join([f"### {self.title}", "", self.about, "", *head, *map(_line, lines)])


SIZES = ((50, 5, 0.0), (50, 5, 3.0), (50, 15, 1.0), (256, 5, 0.0), (256, 5, 10.0), (256, 15, 3.0))
STRONG = ((50, 5, 0.0), (50, 15, 0.0), (50, 5, 1.0), (50, 15, 1.0), (256, 5, 0.0), (256, 5, 3.0))
M = [f"m = {m}" for m in PLANNED]
TABLES = {
    "nothing": Table(
        "Rows that do not differ",
        "Asked for: a 95 % interval covers the truth in at least 93 %, and any of m comparisons is called better or "
        "worse in at most 5 %. Width: the mean estimated standard error over the true one. All sweeps for 50 items and "
        "5 seeds; else half of them for coverage and a fifth for false verdicts, a tenth over 256 items.",
        ["values", "items", "seeds", "spread of seeds", "covered", "width", *(f"any false, {m}" for m in M)],
        (
            *product(KINDS, (50,), (5, 10, 15), (0.0, 1.0, 3.0, 10.0)),
            *product(KINDS, (256,), (5, 15), (0.0, 1.0, 10.0)),
        ),
        _nothing,
    ),
    "auto": Table(
        "False verdicts of seeds=auto",
        "Asked for: at most 5 %, all looks together. Of a fifth of the sweeps.",
        ["values", "items", "spread of seeds", *M],
        tuple(product(KINDS, (50,), (0.0, 1.0, 3.0, 10.0))),
        _auto,
    ),
    "shared": Table(
        "Seeds that correlate between rows",
        "Losses over 50 items of rows that do not differ; a part of the seeds' variance is common to all rows. Asked "
        "for: any false verdict in at most 5 %. Of a fifth of the sweeps.",
        ["seeds", "spread of seeds", "common part", *(f"any false, {m}" for m in M)],
        tuple(product((5, 10, 15), (1.0, 3.0, 10.0), (0.3, 0.6, 0.9))),
        _shared,
    ),
    "margin": Table(
        "Called equal, with the truth exactly at the margin",
        "Asked for: at most 5 %. Losses, m = 1; the margin is in true standard errors of the difference. Last: how "
        "often rows that do not differ are called equal. Of half the sweeps.",
        ["items", "seeds", "spread of seeds", "margin", "called equal", "equal at no difference"],
        tuple((*size, margin) for size in SIZES for margin in (1.0, 2.0, 3.0, 5.0)),
        _margin,
    ),
    "power": Table(
        "Power at d_z = 0.5",
        "Asked for: at least 80 % over 50 items without spread of seeds at m = 1. Of half the sweeps.",
        ["values", "items", "seeds", "spread of seeds", *M],
        tuple((kind, *case) for kind in KINDS for case in STRONG),
        _power,
    ),
}


def _normal(x: float) -> float:
    return float(special.ndtr(x))


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _error(count: int) -> str:
    return f"{100 * math.sqrt(0.05 * 0.95 / count):.2f} %"


def _line(entries: Sequence[object]) -> str:
    return "| " + " | ".join(map(str, entries)) + " |"


if __name__ == "__main__":
    main()
