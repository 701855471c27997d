"""Answers labelled by hand, before the rule that judges them was written; what the rule makes of them."""

import json
from collections import Counter
from pathlib import Path

LABELLED = Path(__file__).with_name("labelled_answers.jsonl")


def labelled() -> list[dict]:
    return [json.loads(line) for line in LABELLED.open(encoding="utf-8")]


def test_the_labels_are_complete() -> None:
    rows = labelled()
    assert len(rows) >= 400 and Counter(row["right"] for row in rows)[True] > 200
    assert len({(row["gold"], row["answer"]) for row in rows}) == len(rows)
    assert all(set(row) - {"question"} == {"kind", "gold", "answer", "right"} for row in rows)
