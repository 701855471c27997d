"""docs/add-a-backend.md as a stranger would follow it, in a copy of the source tree."""

import re
import shutil
from pathlib import Path

import pytest
from test_add_an_adapter import run

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "add-a-backend.md").read_text(encoding="utf-8")
FILES = re.findall(r"^`([\w/.]+)`:\n\n```\w+\n(.*?)^```$", PAGE, re.M | re.S)
USE, CHECK = [block.strip() for block in re.findall(r"^```sh\n(.*?)^```$", PAGE, re.M | re.S)]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source tree with the page's files in it."""
    copy = tmp_path_factory.mktemp("tree")
    for folder in ("qft", "configs", "tests"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    for name, text in FILES:
        assert not (copy / name).exists(), f"{name} is there already: the page needs another example"
        (copy / name).write_text(text, encoding="utf-8")
    return copy


def test_the_page_is_one_file_and_one_yaml() -> None:
    assert [str(Path(name).parent) for name, _ in FILES] == ["qft/quantum/backends", "configs/backend"]


def test_it_can_be_chosen(tree: Path) -> None:
    assert "max_qubits: 4" in run(USE, tree)


def test_it_passes_the_contract(tree: Path) -> None:
    out = run(CHECK, tree)
    assert re.search(r"\b1\d passed", out), out
