"""Subsets: nested, seeded, independent of the order of the pool."""

import random

import pytest

from qft.data.message import Message, Sample
from qft.data.split import subset
from qft.errors import QftError

POOL = [Sample(f"s{k}", (Message("user", f"q{k}"), Message("assistant", f"a{k}"))) for k in range(1000)]


def ids(samples):
    return [s.id for s in samples]


@pytest.mark.parametrize(("n", "held"), [(2, 1), (9, 1), (10, 1), (19, 1), (20, 2), (300, 30), (1000, 100)])
def test_a_tenth_is_validation(n, held):
    training, validation = subset(POOL, n)
    assert (len(training), len(validation)) == (n - held, held)
    assert not set(ids(training)) & set(ids(validation))


def test_smaller_subsets_lie_within_larger_ones():
    parts = {n: subset(POOL, n) for n in (300, 600, 1000)}
    for small, large in ((300, 600), (600, 1000)):
        for a, b in zip(parts[small], parts[large], strict=True):
            assert set(ids(a)) < set(ids(b))


def test_the_order_of_the_pool_does_not_matter():
    shuffled = random.Random(1).sample(POOL, len(POOL))
    assert [ids(p) for p in subset(POOL, 300)] == [ids(p) for p in subset(shuffled, 300)]


def test_the_choice_is_the_same_on_every_machine():
    # SHA-256 of "0|s0", "0|s1", ... decides; computed once with sha256sum.
    assert ids(subset(POOL[:5], 5)[0] + subset(POOL[:5], 5)[1]) == ["s1", "s0", "s4", "s2", "s3"]


def test_another_seed_chooses_otherwise():
    assert ids(subset(POOL, 300, seed=0)[0]) != ids(subset(POOL, 300, seed=1)[0])


@pytest.mark.parametrize(
    ("n", "words"), [(1, "too small"), (0, "too small"), (-5, "too small"), (1001, "1000 samples")]
)
def test_impossible_sizes_are_refused(n, words):
    with pytest.raises(QftError, match=words):
        subset(POOL, n)
