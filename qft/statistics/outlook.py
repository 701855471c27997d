"""What would help an undecided comparison: so many seeds, or so many items.

The estimated parts of the variance are taken as true and the difference as it is. Items that vary by V_I, seeds by V_S
and the rest by V_E give, at I items and S seeds, the mean squares MS_I = V_E + S V_I, MS_S = V_E + I V_S, MS_E = V_E.
"""

import numpy as np

from qft.statistics.variance import Estimate, part

MOST_SEEDS = 50  # beyond, no number of seeds is said to help
MOST_ITEMS = 1_000_000


def what_helps(estimate: Estimate, margin: float | None, level: float) -> str:
    """In words: ``12 seeds``, ``no number of seeds; about 900 items``, or that neither helps.

    Args:
        estimate: one undecided comparison.
        margin: differences below it count as none; None: nothing is equal.
        level: probability of error of its interval.
    """
    if estimate.variance == 0:
        return "differences that vary"
    seeds = np.arange(estimate.seeds + 1, MOST_SEEDS + 1)
    enough = _decides(estimate, margin, level, np.full(seeds.shape, estimate.items), seeds)
    if enough.any():
        return f"{seeds[enough.argmax()]} seeds"
    items = np.unique(np.geomspace(estimate.items + 1, MOST_ITEMS, 400).round())
    enough = _decides(estimate, margin, level, items, np.full(items.shape, max(MOST_SEEDS, estimate.seeds)))
    if enough.any():
        return f"no number of seeds; about {_rounded(items[enough.argmax()]):,} items"
    if _decides(estimate, margin, level, np.array([MOST_ITEMS]), np.array([100 * MOST_SEEDS])).any():
        return f"more than {MOST_SEEDS} seeds"
    return "no number of seeds or items: the difference lies on the border"


def _decides(
    estimate: Estimate, margin: float | None, level: float, items: np.ndarray, seeds: np.ndarray
) -> np.ndarray:
    """Whether so many items and seeds would give a verdict, were everything else as estimated."""
    families = estimate.items - estimate.items_degrees  # more items are more of the same families
    of_items = (estimate.of_items + estimate.of_rest / seeds) / items
    half = np.sqrt(
        part(of_items, items - families, level)
        + part(estimate.of_seeds / seeds, (seeds - 1) * np.where(estimate.paired, 1, 2), level)
    )
    size = np.abs(estimate.mean)
    return np.asarray((size > half) | (size + half < (-1.0 if margin is None else margin)))


def _rounded(count: float) -> int:
    """Two digits of a number, rounded up."""
    step = 10 ** max(int(np.log10(count)) - 1, 0)
    return int(np.ceil(count / step) * step)
