"""Where the next measurement will lie, from a few equal ones."""

from collections.abc import Sequence

import numpy as np
from scipy import stats


def prediction_interval(draws: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """The interval that holds one more draw of the same normal distribution with probability ``level``.

    mean +- t_{n-1, (1 + level) / 2} s sqrt(1 + 1/n): exact for normal draws, however few (Hahn and Meeker, Statistical
    Intervals, section 4.8).

    Args:
        draws: At least two.
        level: Probability, in (0, 1).

    Raises:
        ValueError: There are fewer than two draws.
    """
    values = np.asarray(draws, dtype=np.float64)
    if values.size < 2:
        raise ValueError("one draw says nothing of the next")
    half = half_width(values.size, level) * float(values.std(ddof=1))
    mean = float(values.mean())
    return mean - half, mean + half


def half_width(draws: int, level: float = 0.95) -> float:
    """Half the width of ``prediction_interval`` in standard deviations of the draws."""
    return float(stats.t.ppf((1 + level) / 2, draws - 1) * np.sqrt(1 + 1 / draws))
