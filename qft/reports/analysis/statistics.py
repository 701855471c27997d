"""Comparing two methods: paired differences with intervals, tests and effect sizes. Pure functions of arrays.

Scores (a, b) are (samples,) float64, one number per test sample and method, already averaged over seeds;
losses are (seeds,). Differences d_i = a_i - b_i are in the unit of the input. Intervals hold 95 %.

    mean        mean(d)
    interval    of samples: the paired bootstrap, bias-corrected and accelerated (BCa, Efron 1987). Its ends are the
                quantiles Phi(z0 + (z0 + z) / (1 - a (z0 + z))) of the resampled means, z = -+1.96,
                z0 = Phi^-1(share of resampled means below mean(d)), a: skewness of the jackknifed means / 6
                of seeds: mean(d) -+ t(0.975, S - 1) sd(d) / sqrt(S), S seeds
    p           of samples: two-sided permutation test, the signs of d_i flipped: 2 min(P(m >= mean(d)),
                P(m <= mean(d))) over the flipped means m (all 2^samples where these are few, else RESAMPLES drawn)
                of seeds: the paired t test
    effect      mean(d) / sd(d), Cohen's d_z
    better      P(a > b) + P(a = b) / 2, the probability of improvement
    adjusted    Holm's correction of p within a family of tests (Holm 1979)
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

RESAMPLES = 9999
LEVEL = 0.95
Interval = tuple[float, float]


@dataclass(frozen=True)
class Difference:
    """The paired differences of two methods over ``count`` samples or seeds; None: so few values do not give it."""

    mean: float
    interval: Interval | None
    p: float | None
    effect: float | None
    better: float
    count: int
    adjusted: float | None = None  # p after Holm's correction, set by ``holm_all``

    @property
    def decided(self) -> bool:
        """Whether the interval leaves out zero and the corrected p (p where there is none) is below 0.05."""
        p = self.p if self.adjusted is None else self.adjusted
        return self.interval is not None and not holds_zero(self.interval) and p is not None and p < 1 - LEVEL


def holds_zero(interval: Interval) -> bool:
    """Whether zero lies in the interval, its ends included."""
    return interval[0] <= 0 <= interval[1]


def mean_sd(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and sample standard deviation (n - 1); None for a single value, which shows no spread."""
    array = np.asarray(values, dtype=np.float64)
    return float(array.mean()), float(array.std(ddof=1)) if array.size > 1 else None


def compare_samples(a: Sequence[float], b: Sequence[float], generator: np.random.Generator) -> Difference:
    """Two methods on the same test samples.

    Args:
        a, b: (samples,) scores, paired; averaged over seeds.
        generator: draws the resamples and the flips of signs.

    Raises:
        ValueError: the two are no equal, non-empty rows of finite numbers.
    """
    x, y, d = _paired(a, b)
    return Difference(
        float(d.mean()), _bootstrap(x, y, generator), _permutation(d, generator), _effect(d), _better(d), d.size
    )


def compare_seeds(a: Sequence[float], b: Sequence[float]) -> Difference:
    """Two methods on the same seeds, (seeds,) each: too few for a bootstrap, so a paired t interval and test.

    Raises ValueError as ``compare_samples`` does.
    """
    _, _, d = _paired(a, b)
    mean, interval, p = float(d.mean()), None, None
    if d.size > 1:
        error = float(d.std(ddof=1) / np.sqrt(d.size))
        half = float(stats.t.ppf(0.5 + LEVEL / 2, d.size - 1)) * error
        interval = (mean - half, mean + half)
        p = float(2 * stats.t.sf(abs(mean) / error, d.size - 1)) if error > 0 else float(mean == 0)
    return Difference(mean, interval, p, _effect(d), _better(d), d.size)


def holm(p: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction of a family of p; a missing one stays missing and does not count.

    Sorted ascending, the k-th of m (from 0) becomes max over j <= k of min(1, (m - j) p_j).
    """
    known = sorted((value, k) for k, value in enumerate(p) if value is not None)
    adjusted: list[float | None] = [None] * len(p)
    highest = 0.0
    for rank, (value, k) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * value))
        adjusted[k] = highest
    return adjusted


def holm_all(family: Sequence[Difference]) -> list[Difference]:
    """The differences with ``adjusted`` filled in."""
    return [replace(c, adjusted=p) for c, p in zip(family, holm([c.p for c in family]))]


def _paired(a: Sequence[float], b: Sequence[float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1 or x.size == 0:
        raise ValueError(f"paired values need two equal, non-empty rows, not {x.shape} and {y.shape}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("values that are not finite cannot be compared")
    return x, y, x - y


def _bootstrap(x: np.ndarray, y: np.ndarray, generator: np.random.Generator) -> Interval | None:
    d = x - y
    if d.size < 2:
        return None
    if _constant(d):  # every resample has this mean
        return float(d[0]), float(d[0])

    def mean_difference(u: np.ndarray, v: np.ndarray, axis: int) -> np.ndarray:
        return np.asarray(np.mean(u - v, axis=axis))

    for method in ("BCa", "percentile"):  # BCa is undefined where no resample lies below the estimate
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", stats.DegenerateDataWarning)
            interval = stats.bootstrap(
                (x, y),
                mean_difference,
                paired=True,
                vectorized=True,
                n_resamples=RESAMPLES,
                confidence_level=LEVEL,
                method=method,
                random_state=generator,
            ).confidence_interval
        if np.isfinite(interval.low) and np.isfinite(interval.high):
            return float(interval.low), float(interval.high)
    return None


def _permutation(d: np.ndarray, generator: np.random.Generator) -> float | None:
    if d.size < 2:
        return None
    if not d.any():
        return 1.0
    done = stats.permutation_test(
        (d,),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=RESAMPLES,
        alternative="two-sided",
        random_state=generator,
    )
    return float(done.pvalue)


def _constant(d: np.ndarray) -> bool:
    """Equal up to the rounding of a subtraction."""
    return bool(np.ptp(d) <= 1e-12 * np.abs(d).max())


def _effect(d: np.ndarray) -> float | None:
    """Cohen's d_z; 0 where all differences are zero, None where they are one number and have no spread."""
    if not d.any():
        return 0.0
    return float(d.mean() / d.std(ddof=1)) if d.size > 1 and not _constant(d) else None


def _better(d: np.ndarray) -> float:
    return float(np.mean((d > 0) + 0.5 * (d == 0)))
