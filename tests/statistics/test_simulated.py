"""A short form of scripts/check_statistics.py: enough sweeps to see a rule that is wrong, not to measure one."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
import check_statistics as check

COUNT = 400  # the standard error of 5 % is 1.1 %


@pytest.mark.parametrize("kind", check.KINDS)
def test_rows_that_do_not_differ_are_rarely_told_apart(kind: str) -> None:
    for spread in (0.0, 3.0):
        setting = check.Setting(kind, spread=spread)
        assert check.rates(setting, COUNT)["covered"] > 0.91  # 93 % is asked for
        assert max(check.false_verdicts(setting, COUNT // 2)) < 0.10  # 5 % is asked for; standard error 1.5 %
    assert max(check.auto(check.Setting(kind, spread=1.0), COUNT // 4)) < 0.13  # standard error 2.2 %


def test_equal_is_rare_at_the_margin_and_a_true_effect_is_found() -> None:
    setting = check.Setting(items=256, shift=3 / 16)
    assert check.rates(setting, COUNT, margin=setting.shift)["equal"] < 0.09
    assert check.rates(replace(setting, shift=0.0), COUNT, margin=6 / 16)["equal"] > 0.95
    strong = check.Setting("scores")
    found = check.rates(replace(strong, shift=check.shift_for(strong, 0.5)), COUNT)
    assert found["better"] > 0.80 and found["worse"] == 0
    assert found["covered"] > 0.91, "the truth is known where rows differ, too"


def test_a_rule_without_seeds_would_be_caught() -> None:
    """What a report did before: means over seeds, paired over items, as if other seeds gave the same."""
    setting = check.Setting(spread=3.0)
    (values,) = check.portions(setting, COUNT)
    d = (values[:, 1] - values[:, 0]).mean(-1)
    half = 2.01 * d.std(-1, ddof=1) / np.sqrt(50)
    assert np.mean(np.abs(d.mean(-1)) < half) < 0.8 < check.rates(setting, COUNT)["covered"]
