"""The wheel alone: built, installed in an empty environment, run in an empty directory by the README's own words."""

import zipfile
from pathlib import Path

import pytest
import wheels

# one worker, or each would make the shared directory again
pytestmark = pytest.mark.xdist_group("wheel")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheels.build(tmp_path_factory.mktemp("wheel"))


def test_the_wheel_holds_what_it_needs(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for needed in ("qft/configs/train.yaml", "qft/configs/adapter/qwthn.yaml", "qft/models/demo/model.safetensors"):
        assert needed in names
    assert "qft/data/templates/chatml.jinja" in names
    assert "qft/py.typed" in names
    assert not [n for n in names if n.startswith(("tests", "configs", "outputs"))]


def test_the_two_commands_of_the_readme_work_in_an_empty_directory(wheel: Path, tmp_path: Path) -> None:
    installed = wheels.install(wheel, tmp_path)
    train, evaluate, *_ = wheels.commands(wheels.ROOT / "README.md")
    assert (train[0], evaluate[0]) == ("train", "eval"), "the README begins with other commands"
    installed.qft(*train, "n=10", "trainer.max_steps=1")
    run = installed.place / "outputs" / "demo"
    assert (run / "COMPLETE").exists()
    shown = installed.qft(*evaluate, "evaluation.limit=2", "evaluation.max_new_tokens=4").stdout
    assert "BLEU" in shown.upper()
    assert (run / "metrics.json").exists()
