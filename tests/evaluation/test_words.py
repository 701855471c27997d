"""The longest common subsequence by bits is that of the table, whatever the block."""

import random
import tracemalloc

import pytest
from rouge_score.rouge_scorer import _lcs_table

from qft.evaluation import words as room
from qft.evaluation.words import common_length


@pytest.mark.parametrize("block", [1, 5, 64, room.BLOCK])
def test_equal_to_the_table(block, monkeypatch):
    monkeypatch.setattr(room, "BLOCK", block)
    rng = random.Random(block)
    for words in ("ab", "abcdefgh"):
        for _ in range(300):
            first, second = (rng.choices(words, k=rng.randrange(25)) for _ in range(2))
            assert common_length(first, second) == _lcs_table(first, second)[-1][-1]


def test_known_lengths():
    assert common_length([], ["a"]) == common_length(["a"], []) == common_length(["a"], ["b"]) == 0
    assert common_length(["the", "cat", "sat"], ["the", "black", "cat", "ran", "and", "sat"]) == 3
    numbers = [str(k) for k in range(30_000)]  # blocks of a different word each
    assert common_length(numbers, numbers[::3]) == 10_000
    assert common_length(numbers, numbers[::-1]) == 1


def test_memory_is_linear():
    rng = random.Random(0)
    first, second = ([str(rng.randrange(50)) for _ in range(3000)] for _ in range(2))  # a table: 9 million cells
    tracemalloc.start()
    found = common_length(first, second)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0 < found < 3000 and peak < 1e6
