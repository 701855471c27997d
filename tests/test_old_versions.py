"""Directories that version 0.1.0 wrote (tests/fixtures/v0.1.0): read, or refused in one sentence."""

import json
import shutil
from pathlib import Path

import pytest
from program import qft_here

OLD = Path(__file__).parent / "fixtures/v0.1.0"
EVALUATED = ["evaluation.limit=3", "evaluation.max_new_tokens=16", "evaluation.baseline=true"]
TRAINED = ["n=20", "trainer.max_steps=2", "trainer.batch_size=4", "adapter.target_modules=[q_proj]", "adapter.r=2"]
SWEPT = ["rows=[qwthn,qwthn_no_circuit]", "trainer.max_steps=1", "adapter.r=2", "adapter.target_modules=[q_proj]"]


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of both directories, in the current directory."""
    shutil.copytree(OLD, tmp_path / "old")
    monkeypatch.chdir(tmp_path)
    return Path("old")


def test_a_run_is_evaluated_and_scored_again(old: Path) -> None:
    before = json.loads((old / "run/metrics.json").read_text())
    assert qft_here("eval", "run=old/run", *EVALUATED) == 0
    after = json.loads((old / "run/metrics.json").read_text())
    assert after["metrics"]["generation"]["answers"] == before["metrics"]["generation"]["answers"] == 3
    assert after["metrics"]["scored"] == before["metrics"]["scored"], "the answers that were there are kept"
    assert after["base"]["scored"] == before["base"]["scored"]
    assert after["metrics"]["validation"]["loss"] == pytest.approx(before["metrics"]["validation"]["loss"], rel=1e-3)
    assert qft_here("score", "run=old/run", "evaluation.metrics=[reasoning]") == 0
    scored = json.loads((old / "run/metrics.json").read_text())["metrics"]["test"]
    assert {"sa", "bleu4_standard"} <= set(scored)


def test_a_finished_run_is_not_trained_again(old: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert qft_here("train", *TRAINED, "output_dir=old", "run=run", "resume=true") == 0
    assert "already finished" in capfd.readouterr().err


def test_a_sweep_is_reported(old: Path) -> None:
    assert qft_here("report", "old/sweep") == 0
    page = (old / "sweep/report.html").read_text(encoding="utf-8")
    assert "QWTHN, no circuit" in page


def test_a_sweep_of_other_code_is_not_mixed_with_ours(old: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert qft_here("sweep", "ablation", "scale=smoke", *SWEPT, "dir=old/sweep") == 2
    error = capfd.readouterr().err
    assert "run with other settings" in error and "overwrite=true" in error and "Traceback" not in error
