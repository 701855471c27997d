"""docs/add-an-adapter.md as a stranger would follow it, in a copy of the source tree."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from program import PATIENCE

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "add-an-adapter.md").read_text(encoding="utf-8")
FILES = re.findall(r"^`([\w/.]+)`:\n\n```\w+\n(.*?)^```$", PAGE, re.M | re.S)
COMMANDS = [line for block in re.findall(r"^```sh\n(.*?)^```$", PAGE, re.M | re.S) for line in block.splitlines()]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source tree with the page's files in it."""
    copy = tmp_path_factory.mktemp("tree")
    for folder in ("qft", "configs", "tests", "scripts", "docs"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    for name, text in FILES:
        assert not (copy / name).exists(), f"{name} is there already: the page needs another example"
        (copy / name).write_text(text, encoding="utf-8")
    return copy


def run(command: str, tree: Path) -> str:
    """A line of the page, by this interpreter."""
    words = shlex.split(command)
    start = {"qft": [sys.executable, "-m", "qft.cli.main"], "python": [sys.executable]}[words[0]]
    env = {**os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "CI": ""}
    done = subprocess.run([*start, *words[1:]], cwd=tree, env=env, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


def command(start: str) -> str:
    return next(c for c in COMMANDS if c.startswith(start))


def test_the_page_is_one_file_and_one_yaml() -> None:
    assert [Path(name).parts[:2] for name, _ in FILES] == [("qft", "adapters"), ("configs", "adapter")]
    assert len(COMMANDS) == 4


def test_it_is_counted(tree: Path) -> None:
    counts = run(command("qft params") + " format=json", tree)
    # 28 layers, r + out each: 3584 for the query, 512 for the value projection
    assert f'"trainable": {28 * (4 + 3584 + 4 + 512)}' in counts


def test_it_is_trained(tree: Path) -> None:
    run(command("qft train"), tree)
    folder = tree / "outputs" / "vera"
    assert (folder / "COMPLETE").exists() and (folder / "adapter" / "adapter_model.safetensors").exists()


def test_it_passes_the_contract(tree: Path) -> None:
    out = run(command("python -m pytest"), tree)
    assert re.search(r"\b[2-9]\d passed", out), out


def test_it_gets_its_row_in_the_table(tree: Path) -> None:
    run(command("python scripts"), tree)
    assert "| vera | yes | r + out |" in (tree / "docs" / "adapters.md").read_text(encoding="utf-8")
