"""The mean of differences in a table items x seeds, and its variance over other items and other seeds.

    MS_I = S sum_i (d_i. - d_f.)^2 / (I - F)           items, within F families that stay as they are
    MS_S = I sum_s (d_.s - d_..)^2 / (S - 1)           seeds
    MS_E = sum_is (d_is - d_i. - d_fs + d_f.)^2 / ((I - F)(S - 1))
    v    = max(MS_I + MS_S - MS_E, MS_I, MS_S) / (I S)

with Satterthwaite's degrees of freedom (Biometrics Bulletin 2, 1946): (sum v_k)^2 / sum(v_k^2 / nu_k) over the terms
v_k of v. E[MS_I + MS_S - MS_E] / (I S) is the variance of the mean where items and seeds are both drawn anew (Cornfield
and Tukey 1956); that it is not taken below either of its parts is ours. Why: docs/statistics.md.

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
        variance: of ``mean``, over other items and other seeds.
        degrees: of freedom of ``variance``; 0 where a table has neither two items nor two seeds.
        of_items, of_seeds, of_rest: what one more item, seed or value varies by (variances, not below 0).
        items, seeds: size of the tables.
        paired: whether seeds were paired between the two rows, true or false for each table.
    """

    mean: np.ndarray
    variance: np.ndarray
    degrees: np.ndarray
    of_items: np.ndarray
    of_seeds: np.ndarray
    of_rest: np.ndarray
    items: int
    seeds: int
    paired: np.ndarray

    def interval(self, level: float) -> tuple[np.ndarray, np.ndarray]:
        """Ends of the t interval that misses the truth with probability ``level``; infinite without degrees."""
        half = half_width(self.variance, self.degrees, level)
        return self.mean - half, self.mean + half

    @property
    def p(self) -> np.ndarray:
        """Two-sided p of the mean being zero; 1 where nothing varies and the mean is zero, 0 where it is not."""
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.abs(self.mean) / np.sqrt(self.variance)
        p = 2 * special.stdtr(np.maximum(self.degrees, 1), -np.nan_to_num(t, posinf=np.inf))
        return np.where(self.degrees > 0, p, np.nan)


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
    both, free = squares.free_items * squares.free_seeds, (squares.free_items, squares.free_seeds)
    whole = [(squares.items, 1, free[0]), (squares.seeds, 1, free[1]), (squares.rest, -1, both)]
    variance, degrees = _largest([whole, whole[:1], whole[1:2]])
    items, seeds = table.shape[-2:]
    count = items * seeds
    return Estimate(
        mean=table.mean((-2, -1)),
        variance=variance,
        degrees=degrees,
        of_items=np.maximum(squares.items - squares.rest, 0) * items,
        of_seeds=np.maximum(squares.seeds - squares.rest, 0) * seeds,
        of_rest=squares.rest * count,
        items=items,
        seeds=seeds,
        paired=np.ones(np.shape(variance), dtype=bool),
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
    items, seeds = a.shape[-2:]
    pair = _squares((a - b).mean(-1, keepdims=True), families)  # has no seeds left: items alone, with their rest
    left, right = _squares(a, families), _squares(b, families)
    free = pair.free_items, left.free_seeds
    of_items = [(pair.items, 1, free[0])]
    of_seeds = [(left.seeds, 1, free[1]), (right.seeds, 1, free[1])]
    of_rest = [(left.rest, -1, free[0] * free[1]), (right.rest, -1, free[0] * free[1])]
    variance, degrees = _largest([of_items + of_seeds + of_rest, of_items, of_seeds])
    rest = left.rest + right.rest
    return Estimate(
        mean=(a - b).mean((-2, -1)),
        variance=variance,
        degrees=degrees,
        of_items=np.maximum(pair.items - rest, 0) * items,
        of_seeds=np.maximum(left.seeds + right.seeds - rest, 0) * seeds,
        of_rest=rest * items * seeds,
        items=items,
        seeds=seeds,
        paired=np.zeros(np.shape(variance), dtype=bool),
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
    names = ("variance", "degrees", "of_items", "of_seeds", "of_rest", "paired")
    chosen = {name: np.where(apart_by_seed, vars(apart)[name], vars(together)[name]) for name in names}
    return replace(together, **chosen)


def half_width(variance: np.ndarray, degrees: np.ndarray, level: float) -> np.ndarray:
    """Half of the t interval that misses the truth with probability ``level``; infinite without degrees of freedom."""
    quantile = special.stdtrit(np.maximum(degrees, 1), 1 - level / 2)
    return np.where(degrees > 0, quantile * np.sqrt(variance), np.inf)


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


def _largest(sums: Sequence[Sequence[tuple[np.ndarray, int, int]]]) -> tuple[np.ndarray, np.ndarray]:
    """The largest of several sums of terms (value, sign, degrees of freedom), with Satterthwaite's degrees."""
    best = np.full(np.shape(sums[0][0][0]), -np.inf)
    degrees = np.zeros_like(best)
    for terms in sums:
        known = [term for term in terms if term[2] > 0]  # what cannot vary in this table adds nothing
        if not known:
            continue
        total = np.asarray(sum(sign * value for value, sign, _ in known))
        noise = np.asarray(sum(value * value / free for value, _, free in known))
        with np.errstate(divide="ignore", invalid="ignore"):
            free = np.where(noise > 0, total * total / noise, min(term[2] for term in known))
        larger = total > best
        best, degrees = np.where(larger, total, best), np.where(larger, free, degrees)
    return np.maximum(best, 0), degrees
