"""How fast runs converge, which diverge, and what noise does to them."""

import json
from pathlib import Path

import pytest
import synthetic

from qft import records
from qft.reports import read
from qft.reports.analysis import convergence, measures, noise
from qft.reports.analysis.divergence import diverged
from qft.reports.sections import entries
from qft.reports.sweep import Cell
from qft.training.curve import running_mean


def test_steps_to_loras_final_loss_by_hand() -> None:
    def run(losses: list[float]) -> Cell:
        history = [records.HistoryRow(step=k, train_loss=x) for k, x in enumerate(losses, 1)]
        return Cell("", "final", "", "", "", 300, 0, [], state="done", history=history)

    lora = run([4, 3, 2, 1, 2])  # as low as its end after three steps
    assert convergence.percent_of_steps(lora, lora) == 100
    assert convergence.percent_of_steps(run([3, 2, 1, 1, 1]), lora) == pytest.approx(200 / 3)
    assert convergence.percent_of_steps(run([4, 3, 3, 3, 1]), lora) == pytest.approx(500 / 3)
    assert convergence.percent_of_steps(run([4, 3, 3, 3, 2.1]), lora) is None
    assert convergence.percent_of_steps(run([]), lora) is None
    lucky = run([1.5] + [3.0] * 39)  # one batch is no running mean of two
    assert convergence.percent_of_steps(lucky, run([4.0] * 20 + [2.0] * 20)) is None
    steps, means = running_mean(run([float(k) for k in range(40)]).history)  # a window of two
    assert list(means[:3]) == [0.0, 0.5, 1.5] and len(steps) == 40


def test_noise_is_told_by_scale(tmp_path: Path) -> None:
    of = read.load(synthetic.noise(tmp_path))
    lines = noise.summary(of)
    assert [line.partition(" on demo")[0] for line in lines] == [
        "QWTHN, trained without noise,",
        "QWTHN, trained with noise,",
    ]
    own = [c.loss("validation_loss") for c in of.final() if c.label == "QWTHN" and c.variant["noise_scale"] == 2.0]
    assert lines[0].endswith(f", {sum(own) / len(own):.3f} at 2.") and "at noise scale 0," in lines[0]
    assert noise.summary(read.load(synthetic.ablation(tmp_path / "other", seeds=1))) == []


def test_runs_worse_than_the_untuned_base_are_named(tmp_path: Path) -> None:
    path = synthetic.table1(tmp_path, sizes=(300,))
    assert diverged(read.load(path)) == []
    record = next(path.glob("cells/final-qwthn-demo-n300-seed1/record.json"))
    content = json.loads(record.read_text())
    content["training"]["validation_loss"] = 12.07
    record.write_text(json.dumps(content))
    assert diverged(read.load(path)) == ["QWTHN on demo, n = 300 (1 of 3 seeds, up to 12.1)"]


def test_a_run_that_diverged_is_named_and_not_averaged_away(tmp_path: Path) -> None:
    path = synthetic.table1(tmp_path, sizes=(300,))
    record = next(path.glob("cells/final-qwthn-demo-n300-seed1/record.json"))
    content = json.loads(record.read_text())
    content["training"]["validation_loss"] = 12.125
    record.write_text(json.dumps(content))
    (path / "cells" / record.parent.name / "metrics.json").unlink()
    of = read.load(path)
    own = of.of(("QWTHN", "demo", 300))
    assert entries.measured(own, measures.VALIDATION).remark == ""
    assert diverged(of) == ["QWTHN on demo, n = 300 (1 of 3 seeds, up to 12.1)"]
