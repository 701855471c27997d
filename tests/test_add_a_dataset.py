"""docs/add-a-dataset.md as a stranger would follow it."""

import json
import re
import shlex
import sys
from pathlib import Path

import pytest
from pages import ROOT, commands_of, run, tree_with
from program import qft_here

import qft.data.datasets

PAGE = (ROOT / "docs" / "add-a-dataset.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^`([\w/.]+)`[^\n]*:\n\n```\w+\n(.*?)^```$", PAGE, re.M | re.S))
COMMANDS = [line for block in commands_of(PAGE) for line in block.splitlines()]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory with the page's files, its package and configs found beside the installed ones."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    folder = tmp_path / "qft" / "data" / "datasets"
    monkeypatch.setattr(qft.data.datasets, "__path__", [*qft.data.datasets.__path__, str(folder)])
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("qft.data.datasets.hints", None)


def command(start: str) -> list[str]:
    return shlex.split(next(c for c in COMMANDS if c.startswith(start)))[1:]


def test_the_page_is_one_file_and_one_yaml() -> None:
    assert list(FILES) == ["my.jsonl", "qft/data/datasets/hints.py", "configs/data/hints.yaml"]
    assert not (ROOT / "qft/data/datasets/hints.py").exists(), "the page needs another example"
    assert len(COMMANDS) == 4


def test_rows_of_ones_own_are_shown_and_trained_on(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert qft_here(*command("qft data data=jsonl")) == 0
    shown = capsys.readouterr()
    assert "my.jsonl, line 4: the answer is empty" in shown.out
    assert "⟦<think>\n" in shown.out
    assert "all 3 samples are shown" in shown.err
    assert qft_here(*command("qft train")) == 0
    assert (place / "outputs" / "mine" / "COMPLETE").exists()
    record = json.loads((place / "outputs" / "mine" / "record.json").read_text())
    assert record["data"]["left_out"] == ["my.jsonl, line 4: the answer is empty"]


def test_the_new_set_is_shown(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module = __import__("qft.data.datasets.hints", fromlist=["EXAMPLE"])
    (place / "hints.csv").write_text(module.EXAMPLE["hints.csv"])
    assert qft_here(*command("qft data data=hints"), "format=json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["train"], shown["validation"], shown["test"]) == (49, 5, 6)
    assert shown["left_out"] == ["hints.csv, line 62: the answer is empty"]
    assert shown["samples"][0]["spans"][1]["learned"]
    assert shown["samples"][0]["spans"][1]["text"].startswith("<think>\n")


def test_it_passes_the_contract(tmp_path: Path) -> None:
    tree = tree_with(list(FILES.items()), tmp_path / "tree")
    (out,) = run([next(c for c in COMMANDS if c.startswith("python"))], tree)
    assert re.search(r"\b([89]|\d\d) passed", out), out
