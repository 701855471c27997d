"""The words, where they begin and end, and what would help where there is none."""

import numpy as np
import pytest
from scipy import stats

from qft.statistics import summary, variance, verdict


def table(mean: float, half: float, items: int = 40, seeds: int = 5, level: float = 0.05) -> np.ndarray:
    """Differences whose interval at ``level`` is mean -+ half."""
    d = np.random.default_rng(0).normal(size=(items, 1)) + 0.1 * np.random.default_rng(1).normal(size=(items, seeds))
    d -= d.mean()
    low, high = variance.paired(d).interval(level)
    return mean + d * 2 * half / (high - low)


@pytest.mark.parametrize(
    ("mean", "half", "margin", "word"),
    [
        (1.0, 0.9, None, "better"),
        (-1.0, 0.9, None, "worse"),
        (1.0, 1.1, None, "undecided"),
        (1.0, 0.9, 2.0, "better, by less than the margin"),
        (-1.0, 0.9, 2.0, "worse, by less than the margin"),
        (1.0, 0.9, 1.8, "better"),
        (0.1, 0.2, 0.35, "equal"),
        (0.1, 0.2, 0.25, "undecided"),
        (0.1, 0.2, None, "undecided"),
    ],
)
def test_the_interval_decides(mean: float, half: float, margin: float | None, word: str) -> None:
    found = verdict.decide(table(mean, half), margin, 0.05)
    assert (found.word, found.estimate) == (word, pytest.approx(mean))
    assert (found.low, found.high) == pytest.approx((mean - half, mean + half))
    assert bool(found.help) == (word == "undecided")
    turned = {"better": "worse", "worse": "better"}.get(found.side, found.side)
    assert verdict.decide(table(mean, half), margin, 0.05, higher_is_better=False).side == turned


def test_more_comparisons_need_more() -> None:
    d = table(1.0, 0.9)
    assert verdict.level(1) == 0.05 and verdict.level(6, looks=3) == pytest.approx(0.05 / 18)
    assert verdict.decide(d, None, verdict.level(1)).word == "better"
    assert verdict.decide(d, None, verdict.level(6)).word == "undecided"


def test_few_seeds_or_values_that_do_not_vary_decide_nothing() -> None:
    few = verdict.decide(table(1.0, 0.1, seeds=4), None, 0.05)
    assert (few.word, few.help) == ("descriptive", "5 seeds or more") and few.low > 0
    assert verdict.decide(np.ones((1, 9)) + np.arange(9) / 100, None, 0.05).word == "descriptive"
    constant = verdict.decide(np.ones((9, 5)), 2.0, 0.05)
    assert (constant.word, constant.help) == ("undecided", "differences that vary")
    assert verdict.decide(np.zeros((9, 5)), 0.01, 0.05).word == "equal", "the same row twice"
    assert verdict.decide(np.zeros((9, 5)), None, 0.05).word == "undecided"


@pytest.mark.parametrize(
    ("mean", "row", "other", "word"),
    [
        (-1.0, False, True, "undecided"),
        (-1.0, True, False, "worse"),
        (1.0, True, False, "undecided"),
        (1.0, False, True, "better"),
        (0.0, True, False, "undecided"),
        (0.0, False, True, "undecided"),
        (0.0, True, True, "equal"),
    ],
)
def test_a_row_with_an_open_search_may_be_better_than_it_is(mean: float, row: bool, other: bool, word: str) -> None:
    found = verdict.with_searches(verdict.decide(table(mean, 0.5), 0.6, 0.05), row, other)
    assert found.side == word and ("learning rate" in found.help) == (word == "undecided")


@pytest.mark.parametrize("margin", [None, 4.0])
def test_as_many_seeds_as_are_named_would_do(margin: float | None) -> None:
    """A sweep of that many seeds, drawn from the estimated parts, decides about as often as not."""
    rng = np.random.default_rng(11)

    def draw(seeds: int, mean: float) -> np.ndarray:
        return mean + 0.3 * rng.normal(size=(60, 1)) + 2 * rng.normal(size=(1, seeds)) + rng.normal(size=(60, seeds))

    mean = 1.6 if margin is None else 0.0
    found = next(
        v for v in (verdict.decide(draw(5, mean), margin, 0.05) for _ in range(99)) if v.help.endswith("seeds")
    )
    seeds = int(found.help.split()[0])
    assert 5 < seeds <= 50
    parts = [np.sqrt(part) for part in (found.of_items, found.of_seeds, found.of_rest)]
    words = []
    for _ in range(200):
        shapes = ((60, 1), (1, seeds), (60, seeds))
        d = found.estimate + sum(sd * rng.normal(size=shape) for sd, shape in zip(parts, shapes))
        words.append(verdict.decide(d, margin, 0.05).word)
    assert 0.3 < 1 - words.count("undecided") / 200 < 0.8


def test_where_items_limit_seeds_do_not_help() -> None:
    rng = np.random.default_rng(8)
    d = rng.normal(size=(50, 1)) + 0.01 * rng.normal(size=(50, 5))
    found = verdict.decide(d - d.mean() + 0.1, None, 0.05)
    # |mean| = 1.96 sd / sqrt(N): about 380 items for sd = 1
    said = int(found.help.removeprefix("no number of seeds; about ").removesuffix(" items"))
    assert said == pytest.approx((1.96 * d.mean(1).std(ddof=1) / 0.1) ** 2, rel=0.1)
    nothing = verdict.decide(d - d.mean(), None, 0.05)
    assert nothing.help == "no number of seeds or items: the difference lies on the border"


def test_more_items_are_of_the_same_families() -> None:
    """Each family takes a degree of freedom, of more items too."""
    rng = np.random.default_rng(3)
    d = rng.normal(size=(12, 1)) + 0.01 * rng.normal(size=(12, 5))
    families = [name for name in "abcdef" for _ in range(2)]
    found = variance.paired(d, families)
    d += 0.75 * float(found.half(1e-3)) - d.mean()
    said = int(verdict.decide(d, None, 1e-3, families=families).help.split()[-2])

    def needed(groups: int) -> int:
        sizes = np.arange(13, 99)
        half = stats.t.ppf(1 - 5e-4, sizes - groups) * np.sqrt(float(found.of_items) / sizes)
        return int(sizes[(half < d.mean()).argmax()])

    assert said == pytest.approx(needed(6), abs=1) and needed(6) > needed(1) + 1


def test_seeds_that_vary_too_much_are_said_to() -> None:
    d = np.random.default_rng(9).normal(size=(1, 5)) + 0.01 * np.random.default_rng(8).normal(size=(50, 5))
    assert verdict.decide(d - d.mean() + 0.1, None, 0.05).help == "more than 50 seeds"


def test_holm_effect_and_share_by_hand() -> None:
    # 4 x 0.005, 3 x 0.01, then max(0.03, 2 x 0.03), then max(0.06, 0.04)
    assert summary.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert summary.holm([0.5, None, 0.9]) == [1.0, None, 1.0] and summary.holm([]) == []
    assert summary.mean_sd([1.0, 2.0, 6.0]) == (3.0, pytest.approx(7**0.5))
    assert summary.mean_sd([4.0]) == (4.0, None)
    assert summary.effect_size(np.array([1.0, 2.0, 3.0])) == 2 and summary.effect_size(np.zeros(3)) == 0
    assert summary.effect_size(np.ones(3)) is None and summary.share_above(np.array([1.0, 0.0, -1.0, 2.0])) == 0.625
