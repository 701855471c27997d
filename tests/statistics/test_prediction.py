"""The interval for the next draw holds it as often as it says."""

import numpy as np
import pytest

from qft.statistics.prediction import prediction_interval


@pytest.mark.parametrize("draws", [2, 3, 8, 30])
def test_the_next_normal_draw_lies_in_it_95_times_of_100(draws: int) -> None:
    values = np.random.default_rng(draws).normal(3.0, 0.2, (4000, draws + 1))
    ends = np.array([prediction_interval(list(row[:-1])) for row in values])
    held = np.mean((ends[:, 0] <= values[:, -1]) & (values[:, -1] <= ends[:, 1]))
    assert abs(held - 0.95) < 4 * (0.95 * 0.05 / 4000) ** 0.5  # four standard errors of 4000 trials


def test_a_known_one() -> None:
    """t_{0.975, 2} = 4.3026527; the deviation of 1, 2, 3 is 1."""
    assert prediction_interval([1.0, 2.0, 3.0]) == pytest.approx((2 - 4.3026527 * (4 / 3) ** 0.5, 2 + 4.9682755))


def test_one_draw_is_too_few() -> None:
    with pytest.raises(ValueError, match="nothing of the next"):
        prediction_interval([1.0])
