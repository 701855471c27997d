"""95 % confidence intervals: the percentile bootstrap over samples, seeded."""

from collections.abc import Sequence

import numpy as np

from qft.evaluation.metrics.base import Score
from qft.records import Interval

RESAMPLES, SEED, LEVEL = 2000, 0, 0.95


def interval(score: Score) -> Interval | None:
    """(low, high) of the score's value: its samples are drawn anew with replacement RESAMPLES times.

    None where resampling says nothing: fewer than two samples, or all of them equal. Equal numbers of samples
    get equal draws, so scores of one set can be compared draw by draw.
    """
    judged = [k for k, v in enumerate(score.per_sample) if v is not None]
    values = np.array([score.per_sample[k] for k in judged], dtype=float)
    if len(values) < 2 or (values == values[0]).all():
        return None
    draws = np.random.default_rng(SEED).integers(len(values), size=(RESAMPLES, len(values)))
    if score.of is None:
        found = values[draws].mean(1)
    else:
        found = np.array([score.of([judged[k] for k in draw]) for draw in draws])
    return bounds(found)


def bounds(found: Sequence[float] | np.ndarray) -> Interval:
    """The middle LEVEL of the resampled values."""
    low, high = np.quantile(found, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
