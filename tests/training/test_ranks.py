"""torchrun with two processes trains what one process trains on batches of twice the size."""

import csv
import json
from pathlib import Path

import pytest
from program import qft, two_processes

ARGS = ["train", "adapter=qwthn", "n=30", "trainer.max_steps=3", "trainer.eval_every=2", "evaluation.limit=2"]
ARGS += ["evaluation.max_new_tokens=4", "evaluation.metrics=[bleu]"]


def losses(run: Path) -> list[tuple[float, float]]:
    with (run / "history.csv").open() as file:
        return [(float(r["train_loss"] or 0), float(r["validation_loss"] or 0)) for r in csv.DictReader(file)]


def test_two_processes_are_one_run(tmp_path: Path) -> None:
    done = two_processes("-m", "qft.cli.main", *ARGS, "trainer.batch_size=2", "eval=true", cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    (run,) = (tmp_path / "outputs").iterdir()  # the time in its name is chosen once
    assert (run / "COMPLETE").exists() and (run / "metrics.json").exists()
    assert done.stdout.count("trainable parameters") == 1, "one process reports"
    one = qft(*ARGS, "trainer.batch_size=4", "run=one", cwd=tmp_path)
    assert one.returncode == 0, one.stderr[-2000:]
    for a, b in zip(losses(run), losses(tmp_path / "outputs/one"), strict=True):
        assert a == pytest.approx(b, rel=1e-4)
    counts = [json.loads((r / "record.json").read_text())["training"] for r in (run, tmp_path / "outputs/one")]
    assert counts[0]["steps"] == counts[1]["steps"] == 3
    assert counts[0]["circuits"] > counts[1]["circuits"], "both processes' circuits are counted"
