"""The mean of differences in a table items x seeds, and how far it may lie from that over other items and seeds.

    MS_I = S sum_i (d_i. - d_f.)^2 / (I - F)           items, within F families that stay as they are
    MS_S = I sum_s (d_.s - d_..)^2 / (S - 1)           seeds
    MS_E = sum_is (d_is - d_i. - d_fs + d_f.)^2 / ((I - F)(S - 1))
    v    = (MS_I + max(MS_S - MS_E, 0)) / (I S)
    h^2  = (t(I - F)^2 MS_I + t(S - 1)^2 max(MS_S - MS_E, 0)) / (I S)

v is the variance of the mean where items and seeds are both drawn anew (Cornfield and Tukey 1956), h half of the
interval. Each part has its own quantile of t: one quantile for both, with Satterthwaite's degrees of freedom, is too
small where few seeds agree by chance (Graybill and Wang, JASA 75, 1980, take quantiles by part, too). Why:
docs/statistics.md.

Every function takes tables of any leading shape, (..., items, seeds) float64, and gives arrays of that leading shape.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

Families = Sequence[str] | np.ndarray | None  # (items,) what an item belongs to; None: all to one


@dataclass(frozen=True)
class Estimate:
    """A mean of differences with its variance. Arrays of the tables' leading shape, in the unit of the differences.

    Attributes:
        mean: of all differences.
        from_items, from_seeds: parts of the variance of ``mean``, over other items and over other seeds.
        items_degrees, seeds_degrees: degrees of freedom of each part; 0 where a table has not two of them.
        of_items, of_seeds, of_rest: what one more item, seed or value varies by (variances, not below 0).
        items, seeds: size of the tables.
        paired: whether seeds were paired between the two rows, true or false for each table.
    """

    mean: np.ndarray
    from_items: np.ndarray
    from_seeds: np.ndarray
    items_degrees: np.ndarray
    seeds_degrees: np.ndarray
    of_items: np.ndarray
    of_seeds: np.ndarray
    of_rest: np.ndarray
    items: int
    seeds: int
    paired: np.ndarray

    @property
    def variance(self) -> np.ndarray:
        """Of ``mean``, over other items and other seeds."""
        return np.asarray(self.from_items + self.from_seeds)

    def half(self, level: float | np.ndarray) -> np.ndarray:
        """Half of the interval that misses the truth with probability ``level``; infinite without degrees."""
        items = part(self.from_items, self.items_degrees, level)
        seeds = part(self.from_seeds, self.seeds_degrees, level)
        none = np.maximum(self.items_degrees, self.seeds_degrees) == 0
        return np.asarray(np.where(none, np.inf, np.sqrt(items + seeds)))

    def interval(self, level: float) -> tuple[np.ndarray, np.ndarray]:
        """Ends of the interval that misses the truth with probability ``level``; infinite without degrees."""
        half = self.half(level)
        return self.mean - half, self.mean + half

    @property
    def p(self) -> np.ndarray:
        """The level at which the interval ends at zero; 1 where nothing varies and the mean is zero, 0 where it is not.

        NaN without degrees of freedom. Found by halving, down to e^-37.
        """
        low, high = np.full(np.shape(self.mean), -37.0), np.zeros(np.shape(self.mean))  # of its logarithm
        for _ in range(50):
            middle = (low + high) / 2
            holds_zero = self.half(np.exp(middle)) >= np.abs(self.mean)
            low, high = np.where(holds_zero, middle, low), np.where(holds_zero, high, middle)
        p = np.where(high <= -36.9, 0.0, np.exp(high))
        none = np.maximum(self.items_degrees, self.seeds_degrees) == 0
        return np.where(none, np.nan, p)


@dataclass(frozen=True)
class _Squares:
    """Mean squares of a table, over its number of values, and their degrees of freedom: terms of a variance."""

    items: np.ndarray
    seeds: np.ndarray
    rest: np.ndarray
    free_items: int
    free_seeds: int


def paired(differences: np.ndarray, families: Families = None) -> Estimate:
    """Differences of two rows whose seeds pair, or of a row and a constant for each item.

    Args:
        differences: (..., items, seeds), finite.
        families: (items,); families of one item are taken together.

    Raises:
        ValueError: the table is empty, or a value is not finite.
    """
    table = _checked(differences)
    squares = _squares(table, families)
    items, seeds = table.shape[-2:]
    return _estimate(
        table.mean((-2, -1)),
        squares,
        np.maximum(squares.seeds - squares.rest, 0),
        np.full(np.shape(squares.seeds), float(squares.free_seeds)),
        of_seeds=np.maximum(squares.seeds - squares.rest, 0) * seeds,
        rest=squares.rest,
        shape=(items, seeds),
        paired=True,
    )


def separate(one: np.ndarray, other: np.ndarray, families: Families = None) -> Estimate:
    """Two rows paired over items but not over seeds: each row's seeds are drawn by themselves.

    Args:
        one, other: (..., items, seeds), finite, of one shape and with two seeds or more.
        families: (items,), as in ``paired``.

    Raises:
        ValueError: the two differ in shape, are empty or too small, or a value is not finite.
    """
    a, b = _checked(one), _checked(other)
    if a.shape != b.shape or a.shape[-1] < 2:
        raise ValueError(f"two tables of one shape with at least 2 seeds are needed, not {a.shape} and {b.shape}")
    pair = _squares((a - b).mean(-1, keepdims=True), families)  # has no seeds left: items alone, with their rest
    left, right = _squares(a, families), _squares(b, families)
    of_one, of_other = (np.maximum(row.seeds - row.rest, 0) for row in (left, right))
    both = of_one + of_other
    with np.errstate(divide="ignore", invalid="ignore"):  # Welch's degrees of freedom of two rows' seeds
        degrees = np.where(both > 0, both**2 / (of_one**2 + of_other**2), 1) * left.free_seeds
    rest = left.rest + right.rest
    of_seeds = np.maximum(left.seeds + right.seeds - rest, 0) * a.shape[-1]
    mean = (a - b).mean((-2, -1))
    return _estimate(
        mean, pair, both, degrees, of_seeds=of_seeds, rest=rest, shape=(a.shape[-2], a.shape[-1]), paired=False
    )


def estimate(one: np.ndarray, other: np.ndarray, mean_correlation: np.ndarray, families: Families = None) -> Estimate:
    """The difference of two rows; their seeds are paired unless ``mean_correlation`` is about zero.

    Args:
        one: (..., items, seeds).
        other: the same shape, or (..., items, 1): a constant for each item, which has no seeds to pair.
        mean_correlation: of seeds, over the pairs of one question, of the first axes of (...); NaN, where no row
            varies, pairs them.
        families: (items,), as in ``paired``.

    Raises:
        ValueError: the two do not fit, are empty, or a value is not finite.
    """
    together = paired(one - other, families)
    about_zero = np.abs(np.asarray(mean_correlation)) < told_from_zero(one.shape[-1])
    missing = together.paired.ndim - about_zero.ndim  # a mean belongs to all pairs of the last axes
    apart_by_seed = np.broadcast_to(about_zero.reshape((*about_zero.shape, *(1,) * missing)), together.paired.shape)
    if one.shape != other.shape or one.shape[-1] < 2 or not apart_by_seed.any():
        return together
    apart = separate(one, other, families)
    names = ("from_items", "from_seeds", "seeds_degrees", "of_items", "of_seeds", "of_rest", "paired")
    chosen = {name: np.where(apart_by_seed, vars(apart)[name], vars(together)[name]) for name in names}
    return replace(together, **chosen)


def part(variance: np.ndarray, degrees: np.ndarray, level: float | np.ndarray) -> np.ndarray:
    """The square of half an interval that one part of a variance gives, t^2 v; 0 without degrees of freedom."""
    quantile = special.stdtrit(np.maximum(degrees, 1), np.asarray(level) / 2)
    return np.asarray(np.where(degrees > 0, quantile * quantile * variance, 0.0))


def correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Correlation over seeds of two rows' means over items; NaN where a row does not vary or has one seed.

    Args:
        one, other: (..., items, seeds).
    """
    x, y = one.mean(-2), other.mean(-2)
    x, y = x - x.mean(-1, keepdims=True), y - y.mean(-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((x * y).sum(-1) / np.sqrt((x * x).sum(-1) * (y * y).sum(-1)))


def mean_correlation(correlations: np.ndarray) -> np.ndarray:
    """The mean of the last axis, the pairs of one question; NaN where no pair has a correlation."""
    known = np.isfinite(correlations)
    count = known.sum(-1)
    total = np.where(known, correlations, 0).sum(-1)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))


def told_from_zero(seeds: int) -> float:
    """The correlation of so many seeds from which on it can be told from zero: r sqrt(nu / (1 - r^2)) = t(0.975, nu),
    nu = seeds - 2. 0.88 at 5 seeds, 0.63 at 10, 0.51 at 15; 1 where there are fewer than 3."""
    if seeds < 3:
        return 1.0
    t = float(special.stdtrit(seeds - 2, 0.975))
    return t / float(np.sqrt(seeds - 2 + t * t))


def _checked(table: np.ndarray) -> np.ndarray:
    values = np.asarray(table, dtype=np.float64)
    if values.ndim < 2 or 0 in values.shape:
        raise ValueError(f"a table of items and seeds is needed, not one of shape {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError("values that are not finite cannot be compared")
    return values


def _squares(table: np.ndarray, families: Families) -> _Squares:
    items, seeds = table.shape[-2:]
    within, groups = _within_families(table, families)
    free_items, free_seeds = items - groups, seeds - 1
    of_items = within.mean(-1)
    items_squared = seeds * (of_items * of_items).sum(-1)
    means = table.mean(-2)
    means = means - means.mean(-1, keepdims=True)
    rest = (within * within).sum((-2, -1)) - items_squared
    count = items * seeds
    return _Squares(
        items=items_squared / max(free_items, 1) / count,
        seeds=items * (means * means).sum(-1) / max(free_seeds, 1) / count,
        rest=np.maximum(rest, 0) / max(free_items * free_seeds, 1) / count,
        free_items=free_items,
        free_seeds=free_seeds,
    )


def _within_families(table: np.ndarray, families: Families) -> tuple[np.ndarray, int]:
    """The table without the means of its families, seed by seed, and how many families there are."""
    if families is None:
        return table - table.mean(-2, keepdims=True), 1
    _, place, counts = np.unique(np.asarray(families, dtype=str), return_inverse=True, return_counts=True)
    if place.shape != table.shape[-2:-1]:
        raise ValueError(f"{place.size} families do not name {table.shape[-2]} items")
    alone = counts[place] == 1
    place = np.where(alone, len(counts), place)
    within = np.array(table)
    members = np.unique(place)
    for group in members:
        chosen = place == group
        within[..., chosen, :] -= table[..., chosen, :].mean(-2, keepdims=True)
    return within, len(members)


def _estimate(
    mean: np.ndarray,
    squares: _Squares,
    from_seeds: np.ndarray,
    seeds_degrees: np.ndarray,
    of_seeds: np.ndarray,
    rest: np.ndarray,
    shape: tuple[int, int],
    paired: bool,
) -> Estimate:
    """``squares``: of the items; ``rest``: the variance of the mean that the rest gives."""
    items, seeds = shape
    return Estimate(
        mean=mean,
        from_items=squares.items,
        from_seeds=from_seeds,
        items_degrees=np.full(np.shape(mean), float(squares.free_items)),
        seeds_degrees=seeds_degrees,
        of_items=np.maximum(squares.items - rest, 0) * items,
        of_seeds=of_seeds,
        of_rest=rest * items * seeds,
        items=items,
        seeds=seeds,
        paired=np.full(np.shape(mean), paired),
    )
