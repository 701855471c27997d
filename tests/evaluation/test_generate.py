"""Predictions on disk: a damaged or foreign file is never used silently."""

import json
from pathlib import Path

from qft.data.template import Prompt
from qft.evaluation.generate import read_predictions

PROMPTS = [Prompt(f"s{k}", 1, (1, 2), "q", f"answer {k}", False) for k in range(5)]


def write(path: Path, rows: list[dict]) -> bytes:
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    return path.read_bytes()


def row(prompt: Prompt) -> dict:
    return {"id": prompt.id, "turn": prompt.turn, "reference": prompt.reference, "prediction": "x"}


def test_a_file_cut_anywhere_gives_its_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    rows = [row(p) for p in PROMPTS]
    whole = write(path, rows)
    assert read_predictions(path, PROMPTS) == rows
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        assert read_predictions(path, PROMPTS) == rows[: whole[:cut].count(b"\n")]


def test_reading_ends_where_a_line_is_not_ours(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    rows = [row(p) for p in PROMPTS]
    for wrong in ({"id": "other"}, {"turn": 3}, {"reference": "another"}, {"prediction": None}):
        write(path, [*rows[:2], rows[2] | wrong, *rows[3:]])
        assert read_predictions(path, PROMPTS) == rows[:2], wrong
    path.write_bytes(b"\xff\xfe garbage\n")
    assert read_predictions(path, PROMPTS) == []
    assert read_predictions(tmp_path / "none", PROMPTS) == []
