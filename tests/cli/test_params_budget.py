"""``qft params adapter=all budget=N``: a line a method, and none is left out."""

import json

import pytest

from qft.cli import _budget
from qft.compose import typed
from qft.config import ParamsConfig
from qft.records import Plain

pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.* is deprecated:FutureWarning")
METHODS = ("qwthn", "lora", "ia3")


def compared(capsys: pytest.CaptureFixture[str], form: str, *overrides: str) -> str:
    specs: dict[str, Plain] = {
        name: typed.compose("params", ParamsConfig, [f"adapter={name}"]).adapter for name in METHODS
    }
    config = typed.compose("params", ParamsConfig, ["adapter=all", f"format={form}", "budget=8000", *overrides])
    _budget.compare(config, specs, 8_000)
    return capsys.readouterr().out


def test_each_method_says_what_it_has_or_the_least_it_can_have(capsys: pytest.CaptureFixture[str]) -> None:
    qwthn, lora, ia3 = json.loads(compared(capsys, "json"))["methods"]
    assert {key: qwthn[key] for key in ("adapter", "knob", "value", "trainable", "circuit", "classical")} == {
        "adapter": "qwthn",
        "knob": "bond_dim",
        "value": 1,
        "trainable": 7_168,
        "circuit": 224,
        "classical": 6_944,
    }
    assert (qwthn["mergeable"], lora["mergeable"]) == (False, True)
    assert qwthn["token_cost"] and qwthn["hardware"].startswith("yes")
    assert (lora["minimum"], lora["knob"], lora["value"]) == (9_344, "r", 1) and "above the budget" in lora["error"]
    assert (ia3["minimum"], ia3["knob"]) == (4_864, None)
    assert "trainable" not in lora


def test_layers_are_turned_for_all_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    qwthn, lora, ia3 = json.loads(compared(capsys, "json", "budget_knob=layers"))["methods"]
    assert (qwthn["knob"], lora["knob"], lora["minimum"]) == ("last_layers", "last_layers", 9_344)
    assert "cannot be put on some layers only" in ia3["error"]


def test_the_table_has_a_line_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    lines = compared(capsys, "table").splitlines()
    starts = [line.split()[0] for line in lines if line.split() and line.split()[0] in METHODS]
    assert starts == list(METHODS)
