"""Predictions on disk: a damaged or foreign file is an error with file, row and reason, never used silently."""

import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from qft.data.template import Prompt
from qft.errors import QftError
from qft.evaluation.predictions import complete, digest, of_prompts, pairs, read
from qft.records import Prediction

PROMPTS = [Prompt(f"s{k}", 1, (1, 2), "q", f"回答 {k}", False) for k in range(5)]


def row(prompt: Prompt, **other: object) -> dict:
    known = {"id": prompt.id, "turn": prompt.turn, "prompt": prompt.text, "reference": prompt.reference}
    return known | {"prediction": "x", "tokens": 3, "finished": True, "seconds": 0.1} | other


ROWS = [row(p) for p in PROMPTS]
READ = [Prediction(**r) for r in ROWS]


def write(path: Path, rows: list) -> bytes:
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r, ensure_ascii=False)) + "\n" for r in rows))
    return path.read_bytes()


def test_a_file_cut_anywhere_gives_its_whole_lines_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "predictions.jsonl"
    whole = write(path, ROWS)
    assert read(path) == READ and not caplog.text
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            kept = whole[:cut].count(b"\n")
            assert read(path) == READ[:kept]
            assert list(of_prompts(path, PROMPTS)) == list(range(kept))
        halved = cut > 0 and whole[cut - 1 : cut] != b"\n"
        assert (f"row {kept + 1}: cut off" in caplog.text) == halved
    assert read(tmp_path / "none") == []


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("{", "not JSON"),
        ("[1]", r"it is \[1\], not a mapping"),
        ("", "not JSON"),
        ("\udcff".encode("utf-8", "surrogatepass").decode("latin-1"), "not JSON"),
        (row(PROMPTS[2], seconds=float("nan")), r"not JSON \(NaN is not a number"),
        (row(PROMPTS[2], prediction=None), "'prediction' is null, not text"),
        (row(PROMPTS[2], prediction=["x"]), r"'prediction' is \[\"x\"\], not text"),
        (row(PROMPTS[2], turn=True), "'turn' is true, not a whole number"),
        (row(PROMPTS[2], answer=7), "'answer' is 7, not text"),
        ({"id": "s2", "turn": 1}, r"'prompt' is missing \(there is: id, turn\)"),
        ({}, r"'id' is missing \(there is: nothing\)"),
    ],
)
def test_a_bad_line_is_named(bad: object, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    before = write(path, [*ROWS[:2], bad, *ROWS[3:]])
    with pytest.raises(QftError, match=rf"predictions\.jsonl, row 3: {reason}"):
        read(path)
    assert path.read_bytes() == before, "nothing is lost"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (row(PROMPTS[2], id="other"), "other, turn 1 is not one of the prompts: the row is of another split"),
        (row(PROMPTS[2], turn=3), "s2, turn 3 is not one of the prompts"),
        (row(PROMPTS[2], reference="another"), "s2, turn 1 has another reference"),
        (ROWS[0], "s0, turn 1 is there twice"),
    ],
)
def test_rows_of_another_split_are_named(wrong: dict, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    before = write(path, [*ROWS[:2], wrong])
    with pytest.raises(QftError, match=rf"row 3: {reason}"):
        of_prompts(path, PROMPTS)
    assert path.read_bytes() == before


def test_scoring_wants_all_answers_to_what_was_asked(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    asked = digest((p.id, p.turn, p.reference) for p in PROMPTS)
    write(path, ROWS)
    assert complete(path, asked) == READ
    write(path, ROWS[:4])
    with pytest.raises(QftError, match="holds 4 of 5 answers; repeat qft eval"):
        complete(path, asked)
    write(path, [*ROWS[:4], row(PROMPTS[4], id="s9")])
    with pytest.raises(QftError, match="comes from another split"):
        complete(path, asked)


def test_rows_as_the_metrics_see_them() -> None:
    (pair,) = pairs([replace(READ[0], answer="7", finished=False)])
    assert (pair.prompt, pair.finished, pair.answer) == ("q", False, "7")
    assert pairs(READ)[0].answer is None
