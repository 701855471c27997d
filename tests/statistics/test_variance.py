"""The variance over items and seeds against the equations term by term, t tests and the truth."""

import numpy as np
import pytest
from scipy import stats

from qft.statistics import variance


def by_hand(d: np.ndarray, families: list[str]) -> tuple[float, float, float]:
    """MS_I, MS_S and MS_E of docs/statistics.md, in loops."""
    items, seeds = d.shape
    groups = {f: [i for i in range(items) if families[i] == f] for f in set(families)}
    of_items = of_rest = 0.0
    for members in groups.values():
        for i in members:
            of_items += seeds * (d[i].mean() - d[members].mean()) ** 2
            for s in range(seeds):
                of_rest += (d[i, s] - d[i].mean() - d[members, s].mean() + d[members].mean()) ** 2
    of_seeds = sum(items * (d[:, s].mean() - d.mean()) ** 2 for s in range(seeds))
    free = items - len(groups)
    return of_items / free, of_seeds / (seeds - 1), of_rest / (free * (seeds - 1))


@pytest.mark.parametrize("families", [["a"] * 7, ["a", "b", "a", "b", "b", "a", "a"]])
@pytest.mark.parametrize("spread", [0.0, 0.4, 3.0])  # seeds vary by less than the rest, a little and most
def test_the_variance_is_that_of_the_page(families: list[str], spread: float) -> None:
    rng = np.random.default_rng(5)
    d = rng.normal(size=(7, 4)) + spread * rng.normal(size=(1, 4)) + rng.normal(size=(7, 1))
    of_items, of_seeds, of_rest = by_hand(d, families)
    found = variance.paired(d, families)
    parts = of_items / 28, max(of_seeds - of_rest, 0) / 28
    free = 7 - len(set(families))
    assert (found.from_items, found.from_seeds) == pytest.approx(parts) and found.variance == pytest.approx(sum(parts))
    assert found.mean == pytest.approx(d.mean())
    low, high = found.interval(0.01)
    squares = [(stats.t.ppf(0.995, nu) ** 2) * part for nu, part in zip((free, 3), parts)]
    assert high - low == pytest.approx(2 * np.sqrt(sum(squares)))
    ends = found.interval(float(found.p))
    assert min(abs(end) for end in ends) == pytest.approx(0, abs=1e-9), (
        "p is the level of an interval that ends at zero"
    )
    assert found.of_rest == pytest.approx(of_rest)
    assert found.of_items == pytest.approx(max(of_items - of_rest, 0) / 4)
    assert found.of_seeds == pytest.approx(max(of_seeds - of_rest, 0) / 7)


@pytest.mark.parametrize("shape", [(9, 1), (1, 9)])
def test_one_seed_or_one_item_is_the_t_test(shape: tuple[int, int]) -> None:
    d = np.random.default_rng(1).normal(0.3, 1, shape)
    found, reference = variance.paired(d), stats.ttest_1samp(d.ravel(), 0)
    assert found.p == pytest.approx(reference.pvalue)
    assert found.interval(0.05) == pytest.approx(tuple(reference.confidence_interval(0.95)))


def test_one_value_has_no_interval() -> None:
    found = variance.paired(np.ones((1, 1)))
    assert (
        found.items_degrees == found.seeds_degrees == 0
        and np.isnan(found.p)
        and found.interval(0.05) == (-np.inf, np.inf)
    )


def test_seeds_that_do_not_pair_are_taken_from_each_row() -> None:
    rng = np.random.default_rng(2)
    one = rng.normal(size=(30, 5)) + 4 * rng.normal(size=(1, 5)) + 3 * rng.normal(size=(30, 1))
    other = rng.normal(size=(30, 5)) + 2 * rng.normal(size=(1, 5))
    a, b = by_hand(one, ["f"] * 30), by_hand(other, ["f"] * 30)
    of_items = 5 * (one - other).mean(1).var(ddof=1)
    seeds = a[1] - a[2], b[1] - b[2]
    found = variance.separate(one, other)
    assert min(seeds) > 0, "both rows' seeds count in this draw"
    assert found.variance == pytest.approx((of_items + sum(seeds)) / 150)
    assert found.seeds_degrees == pytest.approx(4 * sum(seeds) ** 2 / (seeds[0] ** 2 + seeds[1] ** 2))
    assert found.items_degrees == 29
    turned = variance.separate(one, other[:, ::-1])
    assert turned.variance == pytest.approx(float(found.variance)), "which seed meets which does not matter"


def test_the_correlation_of_seeds_chooses_and_is_the_known_one() -> None:
    rng = np.random.default_rng(3)
    common = 5 * rng.normal(size=(1, 6))
    one, other = (common + rng.normal(size=(20, 6)) for _ in range(2))
    r = variance.correlation(one, other)
    assert r == pytest.approx(np.corrcoef(one.mean(0), other.mean(0))[0, 1]) and r > 0.9
    assert variance.estimate(one, other, r).paired
    alone = variance.estimate(one, other, np.array(0.1))
    assert not alone.paired and alone.variance > 10 * variance.paired(one - other).variance
    assert np.isnan(variance.correlation(one, np.ones((20, 6)))), "the untuned base does not vary"
    assert variance.estimate(one, np.ones((20, 1)), np.array(0.0)).paired, "nor has it seeds to take apart"
    assert variance.told_from_zero(5) == pytest.approx(0.878, abs=5e-4)  # the usual table of r at 5 %
    assert variance.mean_correlation(np.array([0.2, np.nan, 0.6])) == pytest.approx(0.4)


def test_tables_side_by_side_are_each_alone() -> None:
    rng = np.random.default_rng(4)
    one, other, r = rng.normal(size=(3, 2, 8, 5)), rng.normal(size=(3, 2, 8, 5)), np.array([0.0, 0.99, np.nan])
    together = variance.estimate(one, other, r, ["a", "b"] * 4)
    for k in range(3):
        alone = variance.estimate(one[k, 1], other[k, 1], r[k], ["a", "b"] * 4)
        for name in (
            "mean",
            "from_items",
            "from_seeds",
            "items_degrees",
            "seeds_degrees",
            "of_seeds",
            "of_rest",
            "paired",
        ):
            assert getattr(together, name)[k, 1] == pytest.approx(getattr(alone, name))


def test_families_of_one_item_are_taken_together() -> None:
    d = np.random.default_rng(6).normal(size=(6, 5))
    found = variance.paired(d, ["a", "a", "a", "b", "c", "d"])
    assert found.variance == pytest.approx(float(variance.paired(d, ["a", "a", "a", "e", "e", "e"]).variance))
    with pytest.raises(ValueError, match="6 items"):
        variance.paired(d, ["a"])


@pytest.mark.parametrize("table", [np.zeros((0, 5)), np.zeros(5), np.full((3, 3), np.nan)])
def test_what_is_no_table_of_numbers_is_refused(table: np.ndarray) -> None:
    with pytest.raises(ValueError):
        variance.paired(table)
