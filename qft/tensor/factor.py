"""Split any dimension into n near-equal factors, so that no table of layer shapes is ever needed."""

from functools import cache
from math import prod

LOPSIDED = 4.0  # largest factor over the ideal root beyond which padding is the better choice


@cache
def factorize(dim: int, n: int, pad: bool = True) -> tuple[int, ...]:
    """n near-equal factors of ``dim``, the largest at the ends and the smallest inside.

    3584 -> (16, 14, 16), 128 -> (8, 4, 4), 512 -> (8, 8, 8): inner cores carry two bonds, so the small
    factors belong there. Where the factors would be lopsided (a prime dimension, say) the product is the
    next larger number that splits well: 1009 -> (13, 6, 13) = 1014, the surplus filled with zeros.
    Raises ValueError if ``pad`` is False and ``dim`` does not split well, or for impossible arguments.
    """
    if dim < 1 or n < 1:
        raise ValueError(f"cannot split {dim} into {n} factors")
    best = _near_equal(dim, n)
    if max(best) > LOPSIDED * dim ** (1 / n):
        if not pad:
            raise ValueError(f"{dim} does not split into {n} near-equal factors (best: {' x '.join(map(str, best))})")
        size = dim + 1
        while max(best) > 1.25 * size ** (1 / n) + 1:
            best, size = _near_equal(size, n), size + 1
    return _arrange(best)


def _near_equal(dim: int, n: int) -> tuple[int, ...]:
    """The n factors of ``dim``, descending, with the smallest sum."""
    if n == 1:
        return (dim,)
    candidates = []
    for factor in (f for f in range(1, dim + 1) if dim % f == 0 and f**n <= dim):
        candidates.append(tuple(sorted((factor, *_near_equal(dim // factor, n - 1)), reverse=True)))
    return min(candidates, key=lambda c: (sum(c), c))


def _arrange(factors: tuple[int, ...]) -> tuple[int, ...]:
    """Descending factors -> largest first, second largest last, the rest inside in descending order."""
    if len(factors) < 3:
        return factors
    first, last, *inside = sorted(factors, reverse=True)
    return (first, *inside, last)


def describe(dim: int, factors: tuple[int, ...]) -> str:
    """``3584 = 16 x 14 x 16``, or ``1009 -> 11 x 8 x 12 (padded to 1056)``."""
    text = " x ".join(map(str, factors))
    return f"{dim} = {text}" if prod(factors) == dim else f"{dim} -> {text} (padded to {prod(factors)})"
