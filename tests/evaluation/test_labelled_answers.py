"""Answers labelled by hand and what the rule makes of them; those of the kind "later" are younger than the rule."""

import json
import os
import re
from collections import Counter
from pathlib import Path

import gsm8k_answers
import pytest

from qft.evaluation.answers.final_answer import TAIL, stated
from qft.evaluation.metrics.base import Pair
from qft.evaluation.metrics.reasoning import score

ROOT = Path(__file__).parents[2]
LABELLED = Path(__file__).with_name("labelled_answers.jsonl")
GSM8K = Path(os.environ.get("QFT_SHARED") or ROOT / "../shared") / "data/r1_distill_sft_gsm8k/train.jsonl"


def labelled() -> list[dict]:
    return [json.loads(line) for line in LABELLED.read_text(encoding="utf-8").rstrip().split("\n")]


def judged(rows: list[tuple[str, str, str, bool]]) -> list[tuple[bool, tuple]]:
    """(whether it scores right, row) of rows of question, right value, answer and label."""
    pairs = [
        Pair(f"<think>x</think>\n{answer}", f"<think>x</think> \\boxed{{{gold}}}", prompt=question, answer=gold)
        for question, gold, answer, _ in rows
    ]
    return [(bool(v), row) for v, row in zip(score(pairs)[0].per_sample, rows, strict=True)]


def test_the_labels_are_complete() -> None:
    rows = labelled()
    assert len(rows) >= 400 and Counter(row["right"] for row in rows)[True] > 200
    assert len({(row["gold"], row["answer"]) for row in rows}) == len(rows)
    assert all(set(row) - {"question"} == {"kind", "gold", "answer", "right"} for row in rows)


def test_labelled_answers_are_judged_as_a_reader_judges_them() -> None:
    rows = [(row.get("question", ""), row["gold"], row["answer"], row["right"]) for row in labelled()]
    found = judged(rows)
    assert {row[2] for right, row in found if right and not row[3]} == {"Tom gets 3 and Ann gets 4."}
    lost = {row[2] for right, row in found if row[3] and not right}
    assert lost == {"The answer is forty-two.", "一共是四十二个。"}, "numbers in words are not read"


@pytest.mark.skipif(not GSM8K.exists(), reason="needs ../shared (data/r1_distill_sft_gsm8k)")
def test_real_solutions_without_a_box() -> None:
    found = judged(gsm8k_answers.cases(GSM8K))
    assert Counter(row[3] for _, row in found) == {True: 70, False: 110}
    assert sum(right and not row[3] for right, row in found) <= 1
    assert [row for right, row in found if row[3] and not right] == []


def test_the_table_in_the_docs() -> None:
    text = (ROOT / "docs/metrics.md").read_text(encoding="utf-8").partition("## What an answer without a box states")[2]
    rows = re.findall(r"^\| `(.+?)` \| (`.+?`|nothing)", text.partition("\n## ")[0], re.M)
    assert len(rows) > 15
    for answer, value in rows:
        found = stated(answer.replace("⏎", "\n"))
        assert found == ([] if value == "nothing" else [value.strip("`")]), answer


def test_long_and_hostile_texts_are_read_in_time() -> None:
    assert stated("1 and " * 500_000 + ". It is 42.") == ["42"] and TAIL < 10_000
    for unit in ("1", "1,", "1!", "1 ", "$1", "1和", "\\(", "(", "not 1 ", "if 1", "1 a b "):
        assert len(stated(unit * (TAIL // len(unit)))) <= 1
