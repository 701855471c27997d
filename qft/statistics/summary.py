"""Numbers shown beside a verdict: deviations over seeds, effect sizes, Holm's correction. None of them decides."""

from collections.abc import Sequence

import numpy as np


def mean_sd(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and sample standard deviation (n - 1); None for a single value, which shows no spread."""
    array = np.asarray(values, dtype=np.float64)
    return float(array.mean()), float(array.std(ddof=1)) if array.size > 1 else None


def effect_size(differences: np.ndarray) -> float | None:
    """Cohen's d_z, mean(d) / sd(d); 0 where all differences are zero, None where they have no spread.

    Args:
        differences: (items,), averaged over seeds.
    """
    d = np.asarray(differences, dtype=np.float64)
    if not d.any():
        return 0.0
    constant = np.ptp(d) <= 1e-12 * np.abs(d).max()  # equal up to the rounding of a subtraction
    return float(d.mean() / d.std(ddof=1)) if d.size > 1 and not constant else None


def share_above(differences: np.ndarray) -> float:
    """P(d > 0) + P(d = 0) / 2: the probability of improvement where higher is better."""
    d = np.asarray(differences)
    return float(np.mean((d > 0) + 0.5 * (d == 0)))


def holm(p: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction of a family of p (Holm 1979); a missing one stays missing and does not count.

    Sorted ascending, the k-th of m (from 0) becomes max over j <= k of min(1, (m - j) p_j).
    """
    known = sorted((value, k) for k, value in enumerate(p) if value is not None)
    adjusted: list[float | None] = [None] * len(p)
    highest = 0.0
    for rank, (value, k) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * value))
        adjusted[k] = highest
    return adjusted
