from math import prod

import pytest

from qft.tensor.factor import describe, factorize


@pytest.mark.parametrize(
    "dim, n, factors",
    [
        (3584, 3, (16, 14, 16)),
        (128, 3, (8, 4, 4)),
        (512, 3, (8, 8, 8)),
        (256, 4, (4, 4, 4, 4)),
        (3584, 4, (8, 8, 7, 8)),
        (97, 1, (97,)),
        (1, 3, (1, 1, 1)),
    ],
)
def test_known_sizes(dim, n, factors):
    assert factorize(dim, n) == factorize(dim, n, pad=False) == factors


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_every_size_is_covered_by_near_equal_factors(n):
    for dim in range(1, 2001):
        factors = factorize(dim, n)
        assert len(factors) == n and prod(factors) >= dim
        # "lopsided" ends at 4 times the ideal root, and padding never doubles a size
        assert max(factors) <= 4 * dim ** (1 / n) and prod(factors) < 2 * dim
        if n > 2:
            assert min(factors[0], factors[-1]) >= max(factors[1:-1])


@pytest.mark.parametrize("prime", [97, 1009, 1999])
def test_a_prime_is_padded_or_refused(prime):
    factors = factorize(prime, 3)
    assert prime < prod(factors) <= 1.1 * prime
    with pytest.raises(ValueError, match=f"{prime} does not split into 3 near-equal factors .best: {prime} x 1 x 1"):
        factorize(prime, 3, pad=False)


@pytest.mark.parametrize("dim, n", [(0, 3), (-4, 2), (8, 0)])
def test_impossible_arguments(dim, n):
    with pytest.raises(ValueError, match="cannot split"):
        factorize(dim, n)


def test_the_choice_is_stated():
    assert describe(3584, factorize(3584, 3)) == "3584 = 16 x 14 x 16"
    assert describe(1009, factorize(1009, 3)) == "1009 -> 13 x 6 x 13 (padded to 1014)"


@pytest.mark.parametrize("dim, factors", [(3584, (8, 8, 8, 7)), (512, (8, 4, 4, 4)), (256, (4, 4, 4, 4))])
def test_descending_order(dim, factors):
    assert factorize(dim, 4, descending=True) == factors
