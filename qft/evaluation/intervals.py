"""95 % confidence intervals: the percentile bootstrap over samples, seeded."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qft.evaluation.metrics.base import Score
from qft.records import Interval

RESAMPLES, SEED, LEVEL = 2000, 0, 0.95


def interval(score: Score) -> Interval | None:
    """(low, high) of the value of a score, from RESAMPLES draws of its samples with replacement.

    None where resampling says nothing: fewer than two samples, or all of them equal. Equal numbers of samples get
    equal draws, so that scores of one set can be compared draw by draw.
    """
    judged = [k for k, v in enumerate(score.per_sample) if v is not None]
    values = np.array([score.per_sample[k] for k in judged], dtype=float)
    if len(values) < 2 or (values == values[0]).all():
        return None
    draws = np.random.default_rng(SEED).integers(len(values), size=(RESAMPLES, len(values)))
    if score.of is None:
        return bounds(values[draws].mean(1))
    return bounds([score.of([judged[k] for k in draw]) for draw in draws])


def bounds(resampled: Sequence[float] | NDArray[np.float64]) -> Interval:
    """The interval that holds the middle LEVEL of the resampled values."""
    low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
