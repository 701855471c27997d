"""The wheel alone: built, installed in an empty environment, run in an empty directory by the README's own words."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import wheels

# the README's commands, made quick
FEW_STEPS = ["n=10", "trainer.max_steps=1", "data.heldout=4"]
FEW_ANSWERS = ["evaluation.limit=2", "evaluation.max_new_tokens=4"]

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
    installed.qft(*train, *FEW_STEPS)
    run = installed.place / "outputs" / "demo"
    assert (run / "COMPLETE").exists()
    shown = installed.qft(*evaluate, *FEW_ANSWERS).stdout
    assert "BLEU" in shown.upper()
    assert (run / "metrics.json").exists()


@pytest.mark.extended
@pytest.mark.timeout(1800)
def test_pip_installs_all_that_the_readme_needs(wheel: Path, tmp_path: Path) -> None:
    """Nothing is lent here: pip fetches every dependency, in the versions of constraints.txt."""
    home, place = tmp_path / "env", tmp_path / "place"
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    pip = [str(home / "bin/python"), "-m", "pip", "install", "--disable-pip-version-check", "-q"]
    subprocess.run([*pip, "-c", str(wheels.ROOT / "constraints.txt"), str(wheel)], check=True)
    place.mkdir()
    for words, fewer in zip(wheels.commands(wheels.ROOT / "README.md"), (FEW_STEPS, FEW_ANSWERS)):
        command = [str(home / "bin/qft"), *words, *fewer]
        done = subprocess.run(command, cwd=place, env=wheels.environment(), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
    assert (place / "outputs/demo/metrics.json").exists()
