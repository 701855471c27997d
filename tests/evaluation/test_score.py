"""Scoring by the names of metrics, and what a scored file leaves."""

import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from qft.errors import QftError
from qft.evaluation.metrics.base import Pair
from qft.evaluation.score import as_recorded, check, score_all, score_file, summary
from qft.records import Generation, Prediction

ROWS = [
    Prediction(
        id=f"s{k}",
        turn=1,
        prompt="",
        reference=f"<think>x</think> \\boxed{{{k}}}",
        prediction=f"<think>x</think> \\boxed{{{answer}}}",
        tokens=10 + k,
        finished=k != 2,
        prompt_truncated=k == 1,
        seconds=0.5,
        peak_memory_bytes=1000 + k,
    )
    for k, answer in enumerate([0, 1, 7])
]


def test_scores_come_in_the_order_named():
    assert [s.name for s in score_all([Pair("a", "a")], ["rouge", "bleu"])] == [
        *("rouge1_formula", "rouge2_formula", "rougel_formula"),
        *("rouge1_llamafactory", "rouge2_llamafactory", "rougel_llamafactory"),
        *("rouge1_standard", "rouge2_standard", "rougel_standard"),
        *("bleu4_formula", "bleu4_llamafactory", "bleu4_standard"),
    ]


@pytest.mark.parametrize(
    ("metrics", "options", "words"),
    [
        (["blue"], {}, "Did you mean 'bleu'"),
        (["base"], {}, "metric=base is unknown"),
        (["bleu"], {"bleu": {"tokenise": "zh"}}, r"'metric\.bleu\.tokenise'\. Did you mean 'tokenize'"),
        (["bleu"], {"blue": {"tokenize": "zh"}}, r"metric\.blue is unknown"),
    ],
)
def test_what_cannot_be_computed_is_refused(metrics, options, words):
    with pytest.raises(QftError, match=words):
        check(metrics, options)
    with pytest.raises(QftError, match="no predictions"):
        score_all([], ["bleu"])


def lines(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "scores.jsonl").read_text().splitlines()]


def test_a_file_of_scores(tmp_path: Path):
    block = score_file(tmp_path, ROWS, ["reasoning"])
    assert block.test["sa"].value == pytest.approx(200 / 3) and block.test["sa"].samples == 3
    low, high = block.test["sa"].interval
    assert 0 <= low < 200 / 3 < high <= 100
    assert block.test["ctc"].interval is None  # all alike
    assert [(x["id"], x["turn"], x["scores"]["sa"]) for x in lines(tmp_path)] == [
        ("s0", 1, 100),
        ("s1", 1, 100),
        ("s2", 1, 0),
    ]
    assert lines(tmp_path)[2]["reasons"]["sa"] == "\\boxed{7} is not 2"
    assert lines(tmp_path)[2]["reasons"]["ac"] == "cut off at the length limit"


def test_scores_are_added_to_those_of_the_same_answers(tmp_path: Path):
    first = score_file(tmp_path, ROWS, ["reasoning"])
    both = score_file(tmp_path, ROWS, ["bleu"], before=first)
    assert {"sa", "bleu4_standard"} <= set(both.test) == set(lines(tmp_path)[0]["scores"])
    other = [*ROWS[:2], replace(ROWS[2], prediction="another")]
    changed = score_file(tmp_path, other, ["bleu"], before=both)
    assert "sa" not in changed.test and "sa" not in lines(tmp_path)[0]["scores"]


def test_any_character_may_stand_in_an_id_or_answer(tmp_path: Path):
    rows = [replace(row, id=f"{row.id}\u2028\x85", prediction="\\boxed{7\u2028\x1c}") for row in ROWS]
    first = score_file(tmp_path, rows, ["reasoning"])
    assert "sa" in score_file(tmp_path, rows, ["bleu"], before=first).test


def test_a_damaged_file_of_scores_is_not_gone_on_with(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("qft.evaluation.intervals.RESAMPLES", 2)
    before = score_file(tmp_path, ROWS, ["reasoning"])
    whole = (tmp_path / "scores.jsonl").read_bytes()
    for cut in range(0, len(whole) - 1, len(whole) // 20):
        (tmp_path / "scores.jsonl").write_bytes(whole[:cut])
        with caplog.at_level(logging.WARNING):
            assert "sa" not in score_file(tmp_path, ROWS, ["bleu"], before=before).test
        assert "damaged" in caplog.text
        caplog.clear()


def test_what_could_not_be_judged_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    block = score_file(tmp_path, ROWS, ["bertscore"])
    assert block.test["bertscore_f1"].value is None and "left out: no model" in caplog.text
    assert as_recorded(score_all([Pair("a", "b")], ["bertscore"])[0]).samples == 0


def test_what_the_answers_cost():
    # 10 + 11 + 12 tokens in 1.5 s: 22 a second
    assert summary(ROWS) == Generation(
        answers=3,
        tokens=33,
        unfinished=1,
        prompts_truncated=1,
        seconds=1.5,
        tokens_per_second=22.0,
        seconds_per_token=pytest.approx(1.5 / 33),
        peak_memory_bytes=1002,
    )
