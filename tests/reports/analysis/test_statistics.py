"""Statistics against small cases worked by hand and against scipy's and statsmodels' published answers."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from qft.reports.analysis import statistics


@pytest.fixture(autouse=True)
def all_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "RESAMPLES", 9999)


def generator():
    return np.random.default_rng(0)


def test_mean_and_deviation_by_hand() -> None:
    assert statistics.mean_sd([1.0, 2.0, 6.0]) == (3.0, pytest.approx(7**0.5))
    assert statistics.mean_sd([4.0]) == (4.0, None)


def test_permutation_p_equals_all_sign_flips() -> None:
    a, b = np.array([3.0, 5.0, 4.0, 9.0, 6.0]), np.array([1.0, 4.0, 4.5, 2.0, 1.0])
    d = a - b
    means = [np.mean(d * signs) for signs in product((1, -1), repeat=5)]
    upper = np.mean([m >= d.mean() - 1e-12 for m in means])
    lower = np.mean([m <= d.mean() + 1e-12 for m in means])
    found = statistics.compare_samples(a, b, generator())
    assert found.p == pytest.approx(2 * min(upper, lower))
    assert found.p == 4 / 32  # by hand: only the flip of -0.5 lies above, so 2 of 32 flips a side
    assert found.mean == pytest.approx(2.9)
    assert found.better == 0.8
    assert found.effect == pytest.approx(2.9 / d.std(ddof=1))


def test_interval_is_scipys_bca_of_the_differences_and_moves_with_the_seed_only() -> None:
    rng = np.random.default_rng(5)
    a = rng.normal(1, 1, 40)
    b = a - rng.exponential(0.5, 40)  # skewed: BCa differs from the percentile interval
    found = statistics.compare_samples(a, b, generator())
    assert found == statistics.compare_samples(a, b, generator())
    assert found.interval != statistics.compare_samples(a, b, np.random.default_rng(1)).interval
    reference = stats.bootstrap((a - b,), np.mean, method="BCa", n_resamples=20000, random_state=3).confidence_interval
    assert found.interval == pytest.approx((reference.low, reference.high), abs=0.02)
    percentile = np.percentile([np.mean(rng.choice(a - b, 40)) for _ in range(20000)], [2.5, 97.5])
    assert found.interval[0] > percentile[0] and found.interval[1] > percentile[1], "skew shifts both ends up"


def test_interval_covers_the_true_difference_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    hits = 0
    for _ in range(24):
        d = rng.normal(0.3, 1, 50)
        low, high = statistics.compare_samples(d, np.zeros(50), rng).interval
        hits += low <= 0.3 <= high
    assert hits >= 20


def test_holm_by_hand() -> None:
    # 4 x 0.005, 3 x 0.01, then max(0.03, 2 x 0.03), then max(0.06, 0.04)
    assert statistics.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert statistics.holm([0.5, None, 0.9]) == [1.0, None, 1.0]
    assert statistics.holm([]) == []


def test_seeds_give_the_paired_t_test() -> None:
    a, b = [1.10, 1.30, 1.22], [1.00, 1.25, 1.07]
    found, reference = statistics.compare_seeds(a, b), stats.ttest_rel(a, b)
    interval = reference.confidence_interval()
    assert found.p == pytest.approx(reference.pvalue)
    assert found.interval == pytest.approx((interval.low, interval.high))
    one = statistics.compare_seeds([1.0], [0.5])
    assert (one.interval, one.p, one.effect, one.decided) == (None, None, None, False)


@pytest.mark.parametrize("compare", [statistics.compare_seeds, lambda a, b: statistics.compare_samples(a, b, None)])
def test_no_difference_at_all_is_never_decided(compare) -> None:
    found = compare([2.0, 3.0, 5.0], [2.0, 3.0, 5.0])
    assert (found.mean, found.interval, found.p, found.effect, found.better) == (0, (0, 0), 1, 0, 0.5)
    assert not found.decided


def test_degenerate_inputs() -> None:
    single = statistics.compare_samples([3.0], [1.0], generator())
    assert (single.mean, single.interval, single.p, single.effect, single.better) == (2, None, None, None, 1)
    assert not single.decided
    constant = statistics.compare_samples([2.0] * 5, [1.0] * 5, generator())
    assert constant.interval == (1, 1) and constant.p == 2 / 32 and constant.effect is None
    assert not constant.decided, "five samples are too few for the test whatever the interval says"
    lonely = statistics.compare_samples([0.0] * 49 + [100.0], [0.0] * 50, generator())
    assert lonely.interval is not None and not lonely.decided
    with pytest.raises(ValueError, match="equal"):
        statistics.compare_samples([1.0], [1.0, 2.0], generator())
    with pytest.raises(ValueError, match="empty"):
        statistics.compare_samples([], [], generator())


def test_nothing_is_decided_whose_interval_holds_zero() -> None:
    rng = np.random.default_rng(4)
    a = rng.normal(size=50)
    clear = statistics.compare_samples(a + 1, a, rng)
    noise = statistics.compare_samples(a, rng.normal(size=50), rng)
    assert statistics.holm_all([clear, noise])[0].decided
    assert statistics.holds_zero(noise.interval) and not statistics.holm_all([clear, noise])[1].decided
    touching = statistics.Difference(1.0, (0.0, 2.0), 0.001, 1.0, 0.9, 50)
    assert not touching.decided
    assert not statistics.holm_all([statistics.Difference(1.0, (0.1, 2.0), 0.03, 1.0, 0.9, 50)] * 2)[0].decided
