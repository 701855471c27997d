"""Standard scores in a report: means over the seeds that were asked."""

import copy

import pytest

from qft import records
from qft.reports.sections import standard_scores


def asked(value: float) -> dict[str, records.HarnessTask]:
    scores = {"exact_match, strict": records.HarnessScore(value, 0.1, True)}
    scores["acc"] = records.HarnessScore(value / 2, None, True)
    return {"gsm8k": records.HarnessTask("3.0", 5, 1319, False, scores, "lm_eval 0.4.13", "d" * 64)}


def test_a_row_a_method_and_a_column_a_score(first) -> None:
    assert standard_scores.table(first) is None, "nobody asked"
    sweep = copy.deepcopy(first)
    cells = [c for c in sweep.final() if c.done and (c.row, c.data, c.n) == ("QWTHN", "cpsycoun", 300)]
    for k, cell in enumerate(cells):
        cell.measured.harness = asked(0.2 + 0.1 * k)
    table = standard_scores.table(sweep)
    assert table is not None and table.headings[3:] == [
        "gsm8k (5-shot, 1319 questions): exact_match, strict",
        "gsm8k (5-shot, 1319 questions): acc",
    ]
    (row,) = table.rows
    assert [e.text for e in row[:3]] == ["QWTHN", "cpsycoun", "300"]
    values = [0.2 + 0.1 * k for k in range(len(cells))]
    assert row[3].value == pytest.approx(sum(values) / len(values)) and row[3].seeds == len(cells) > 1
    assert row[4].value == pytest.approx(sum(values) / len(values) / 2)
    assert "lm_eval 0.4.13" in table.notes[1]
