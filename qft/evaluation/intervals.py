"""95 % confidence intervals: the percentile bootstrap over samples, seeded."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qft.evaluation.metrics.base import Score
from qft.records import Interval

RESAMPLES, SEED, LEVEL = 2000, 0, 0.95
HELD = 4_000_000  # draws held at a time, 32 MB


def interval(score: Score) -> Interval | None:
    """(low, high) of the value of a score, from RESAMPLES draws of its samples with replacement.

    None where resampling says nothing: fewer than two samples, or all of them equal. Equal numbers of samples get
    equal draws, so that scores of one set can be compared draw by draw.
    """
    judged = [k for k, v in enumerate(score.per_sample) if v is not None]
    values = np.array([score.per_sample[k] for k in judged], dtype=float)
    if len(values) < 2 or (values == values[0]).all():
        return None
    rng, places, resampled = np.random.default_rng(SEED), np.array(judged), list[float]()
    rows = max(1, HELD // len(values))  # the draws are the same whatever is drawn at a time
    for start in range(0, RESAMPLES, rows):
        draws = rng.integers(len(values), size=(min(rows, RESAMPLES - start), len(values)))
        if score.of is None:
            resampled += values[draws].mean(1).tolist()
        else:
            resampled += [score.of(places[draw]) for draw in draws]
    return bounds(resampled)


def bounds(resampled: Sequence[float] | NDArray[np.float64]) -> Interval:
    """The interval that holds the middle LEVEL of the resampled values."""
    low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
