"""What is read from a sweep directory, and what is refused or reported as damaged."""

import json
from pathlib import Path

import pytest
import synthetic

from qft import records
from qft.errors import QftError
from qft.reports import read


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no sweep.json"),
        ({"schema": 2, "name": "x", "scale": "demo", "cells": []}, "newer qft"),
        ({"schema": 1, "name": "x", "scale": "demo", "cells": []}, "no cells"),
        ({"schema": 1, "name": "x", "scale": "demo", "cells": [{"name": "a"}]}, "damaged"),
        ([], "damaged"),
    ],
)
def test_what_is_no_sweep_is_refused_in_one_sentence(content, words: str, tmp_path: Path) -> None:
    if content is not None:
        records.write_json(tmp_path / "sweep.json", content)
    with pytest.raises(QftError, match=words):
        read.load(tmp_path)


def test_damaged_cells_are_reported_not_raised(tmp_path: Path) -> None:
    synthetic.table1(tmp_path, seeds=1, sizes=(300,))
    (tmp_path / "cells/final-qwthn-demo-n300-seed0/metrics.json").write_text("{")
    (tmp_path / "cells/final-quanta-demo-n300-seed0/scores.jsonl").write_text('{"id": 1}\n')
    damaged = {c.name: c.error for c in read.load(tmp_path).cells if c.state == "damaged"}
    assert set(damaged) == {"final-qwthn-demo-n300-seed0", "final-quanta-demo-n300-seed0"}
    assert all("cannot be read" in error for error in damaged.values())


def test_files_cut_at_the_end_of_a_line_are_damaged_too(tmp_path: Path) -> None:
    synthetic.table1(tmp_path, seeds=1, sizes=(300,))
    cut = {"qwthn": "scores.jsonl", "quanta": "history.csv", "lorar1": "scores.jsonl"}
    for label, name in cut.items():
        path = tmp_path / f"cells/final-{label}-demo-n300-seed0" / name
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(lines[:-1])) if label != "lorar1" else path.unlink()
        metrics = json.loads((path.parent / "metrics.json").read_text())
        for score in metrics["metrics"]["test"].values():
            score["samples"] = synthetic.SAMPLES
        records.write_json(path.parent / "metrics.json", metrics)
    damaged = {c.name: c.error for c in read.load(tmp_path).cells if c.state == "damaged"}
    assert set(damaged) == {f"final-{label}-demo-n300-seed0" for label in cut}
    assert "19 of 20 answers" in damaged["final-qwthn-demo-n300-seed0"]
