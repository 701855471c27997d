"""Runs are found by the names people type: without their times where one is meant, with suggestions where none is."""

from pathlib import Path

import pytest

from qft.errors import QftError
from qft.runs.stored import find

TIMED = ("lora-demo-n20-demo-seed0-20260102-030405", "qwthn-demo-n20-demo-seed0-20260102-030405")
TWICE = ("qwthn-demo-n20-demo-seed0-20260102-030405-2",)


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    for name in (*TIMED, *TWICE, "mine"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").touch()
    cell = tmp_path / "sweeps/s-demo/cells/s-lora-seed1"
    cell.mkdir(parents=True)
    (cell / "cell.json").touch()
    (tmp_path / "sweeps/s-demo/sweep.json").touch()
    (tmp_path / "something").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("mine", "mine"),
        (TIMED[0], TIMED[0]),
        ("lora-demo-n20-demo-seed0", TIMED[0]),
        (TWICE[0], TWICE[0]),
        ("s-demo", "sweeps/s-demo"),
        ("s-lora-seed1", "sweeps/s-demo/cells/s-lora-seed1"),
    ],
)
def test_a_name_is_found(given: str, found: str, outputs: Path) -> None:
    assert find(given, str(outputs)) == outputs / found


def test_a_path_may_leave_out_the_time_too(outputs: Path) -> None:
    assert find(f"{outputs}/lora-demo-n20-demo-seed0", "elsewhere") == outputs / TIMED[0]


def test_a_name_that_may_be_several_lists_them(outputs: Path) -> None:
    with pytest.raises(QftError, match=r"may be .*030405, .*030405-2; name one of these 2"):
        find("qwthn-demo-n20-demo-seed0", str(outputs))


@pytest.mark.parametrize(
    ("given", "hint"),
    [("mien", "Did you mean 'mine'"), ("s-dmo", "Did you mean 's-demo'"), ("zzz", "qft runs lists what there is")],
)
def test_an_unknown_name_gets_the_nearest(given: str, hint: str, outputs: Path) -> None:
    with pytest.raises(QftError, match=f"run={given} does not exist.*{hint}"):
        find(given, str(outputs))
