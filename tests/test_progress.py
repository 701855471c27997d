"""A bar where a terminal is watched and nowhere else."""

import io
import sys

import pytest

from qft import progress
from qft.data.datasets import cpsycoun, jsonl
from qft.evaluation.metrics import bleu, rouge
from qft.evaluation.metrics.base import Pair


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("kind", [Terminal, io.StringIO])
def test_reading_and_scoring_show_how_far_they_are(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "DELAY", 0)
    monkeypatch.setattr(sys, "stderr", watched := kind())
    for folder, files in (("a", jsonl.EXAMPLE), ("b", cpsycoun.EXAMPLE)):
        (tmp_path / folder).mkdir()
        for name, content in files.items():
            (tmp_path / folder / name).write_text(content, encoding="utf-8")
    jsonl.load(path=str(tmp_path / "a"))
    cpsycoun.load(path=str(tmp_path / "b"))
    bleu.score([Pair("a", "a")])
    rouge.score([Pair("a", "a")])
    shown = [title for title in ("rows read", "dialogues read", "BLEU", "ROUGE") if title in watched.getvalue()]
    assert shown == (["rows read", "dialogues read", "BLEU", "ROUGE"] if kind is Terminal else [])


def test_quick_work_shows_nothing(monkeypatch):
    monkeypatch.setattr(sys, "stderr", watched := Terminal())
    assert list(progress.bar(range(1000), "numbers")) == list(range(1000))
    assert watched.getvalue() == ""
