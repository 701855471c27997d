"""docs/add-a-backend.md as a stranger would follow it, in a copy of the source tree."""

import re
from pathlib import Path

import pytest
from pages import ROOT, commands_of, files_of, run, tree_with

PAGE = (ROOT / "docs" / "add-a-backend.md").read_text(encoding="utf-8")
FILES = files_of(PAGE)
USE, CHECK = commands_of(PAGE)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source tree with the page's files in it."""
    return tree_with(FILES, tmp_path_factory.mktemp("tree"))


def test_the_page_is_one_file_and_one_yaml() -> None:
    assert [str(Path(name).parent) for name, _ in FILES] == ["qft/quantum/backends", "configs/backend"]


def test_it_can_be_chosen_and_passes_the_contract(tree: Path) -> None:
    chosen, contract = run([USE, CHECK], tree)
    assert "max_qubits: 4" in chosen
    assert re.search(r"\b1\d passed", contract), contract
