"""Which writings of an answer are the same, and that no comparison outlives its limit."""

import json
import os
import subprocess
import sys

import pytest

from qft.evaluation.equality import __file__ as program
from qft.evaluation.equality import equal, split_unit, tidy
from qft.evaluation.judge import Judge

SAME = [
    ("7", "7.0"),
    ("1/2", "0.5"),
    ("\\frac{1}{2}", "50\\%"),
    ("\\dfrac12", "0.5"),
    ("50%", "0.5"),
    ("50％", "50"),
    ("12.5\\%", "12.5"),
    ("1,000", "1000"),
    ("1{,}234", "1234"),
    ("1 234 567", "1234567"),
    ("18\\,000", "18000"),
    ("１，０００．５０", "1000.5"),
    ("１２", "12"),
    ("－3", "-3"),
    ("12", "12元"),
    ("12", "12\\text{ cm}"),
    ("12 cm", "12cm"),
    ("3 km/h", "3"),
    ("100 cm^2", "100"),
    ("\\frac{3}{4}\\text{小时}", "0.75"),
    ("5 小时", "5小时"),
    ("30^\\circ", "30"),
    ("12", "\\$12"),
    ("￥12", "12元"),
    ("$57$", "57。"),
    ("\\(57\\)", "57."),
    ("x+1", "1+x"),
    ("2ab", "2ba"),
    ("x=3", "3"),
    ("2\\sqrt{3}", "\\sqrt{12}"),
    ("(1,2)", "(1, 2)"),
    ("A", "A"),
    ("红色", "红色"),
]
OTHER = [
    ("7", "8"),
    ("50%", "0.5%"),
    ("50%", "5"),
    ("12 km", "12 m"),
    ("12元", "12角"),
    ("3x", "3"),
    ("(1,234)", "1234"),
    ("1/3", "0.333"),
    ("A", "B"),
    ("红色", "蓝色"),
    ("7", ""),
    ("", ""),
]


@pytest.mark.parametrize(("one", "two"), SAME)
def test_the_same(one: str, two: str) -> None:
    assert equal(one, two) and equal(two, one)


@pytest.mark.parametrize(("one", "two"), OTHER)
def test_not_the_same(one: str, two: str) -> None:
    assert not equal(one, two) and not equal(two, one)


def test_number_and_unit() -> None:
    assert split_unit(tidy("１，２００ 千米/小时。")) == ("1200", "千米/小时")
    assert split_unit("12\\text{ m}^2") == ("12", "m2")
    assert split_unit("3x") == ("3x", "")


def test_a_comparison_that_does_not_end_is_killed_and_the_next_one_answered() -> None:
    with Judge() as judge:
        assert judge("1/2", "0.5", 60) is True
        first = judge._process
        assert judge("57", "58", 60) is False
        assert judge._process is first, "one process for all"
        assert judge("9^{9^{9^{9}}}", "1", 0.2) is None
        assert judge("1/2", "0.5", 60) is True
        last = judge._process
    assert last is not None and last.returncode is not None, "nothing is left behind"


def test_it_runs_without_this_package() -> None:
    """The process is found by its path: no search path, so none of our modules can hide one it needs."""
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    questions = [("1/2", "0.5"), ("(", "\\frac{")]
    asked = "".join(json.dumps({"target": t, "candidate": c, "seconds": 60}) + "\n" for t, c in questions)
    done = subprocess.run(
        [sys.executable, "-P", program], input=asked, env=env, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.split() == ["ready", "true", "false"] and done.returncode == 0
