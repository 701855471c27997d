"""Subsets: nested, seeded, independent of the order of the pool."""

import random

import pytest

from qft.data.messages import Message, Sample
from qft.data.prepare import subset
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


def test_samples_of_one_question_are_on_one_side():
    asked = [Message("user", f"question {k % 40}") for k in range(1000)]
    pool = [Sample(f"s{k}", (asked[k], Message("assistant", f"a{k}"))) for k in range(1000)]
    spaced = [Sample(s.id, (Message("user", f" {s.messages[0].content.upper()}\n"), s.messages[1])) for s in pool]
    for n in (10, 300, 600, 1000):
        training, validation = subset([*pool[:500], *spaced[500:]], n)
        said = [{" ".join(s.messages[0].content.lower().split()) for s in part} for part in (training, validation)]
        assert not said[0] & said[1] and len(training) + len(validation) == n and validation
    parts = {n: subset(pool, n) for n in (300, 600)}
    assert all(set(ids(a)) < set(ids(b)) for a, b in zip(parts[300], parts[600], strict=True))


def test_only_samples_whose_question_was_asked_before_change_sides():
    before = subset(POOL, 300)
    repeated = [Sample(s.id, before[0][0].messages) if s == before[1][-1] else s for s in POOL]
    training, validation = subset(repeated, 300)
    assert ids(validation) == ids(before[1])[:-1]
    assert set(ids(training)) == {*ids(before[0]), before[1][-1].id}


def test_one_question_for_all_cannot_be_split():
    with pytest.raises(QftError, match="all ask the same"):
        subset([Sample(f"s{k}", POOL[0].messages) for k in range(30)], 30)


@pytest.mark.parametrize(
    ("n", "words"), [(1, "too small"), (0, "too small"), (-5, "too small"), (1001, "1000 samples")]
)
def test_impossible_sizes_are_refused(n, words):
    with pytest.raises(QftError, match=words):
        subset(POOL, n)
