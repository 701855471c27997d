"""What a later step of a command will need is checked before the first one begins."""

from pathlib import Path

import pytest
from program import qft_here

from qft.data import prepare
from qft.training import trainer

AT_ONCE = {
    "evaluation.turns=some": "Choices: all, last",
    "metric.bleu.tokenize=klingon": "klingon is unknown",
    "metric.rouge.tokenize=klingon": "klingon is unknown",
    "metric.reasoning.seconds=0.0": "above 0",
    "metric.reasoning.seconds=nan": "finite",
    "metric.bertscore.batch_size=0": "at least 1",
    "metric.bertscore.layer=last": "whole number",
    "metric.bertscore.model=./nowhere": "not an existing model directory",
    "model.template=klingon": "model.template=klingon does not exist",
    "evaluation.temperature=0.5": "do nothing to greedy answers",
}


def refused(capsys: pytest.CaptureFixture, *args: str) -> str:
    assert qft_here("train", *args) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("option", AT_ONCE)
def test_options_of_the_evaluation_are_checked_before_data_are_read(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(prepare, "load", lambda *_: pytest.fail("data are read"))
    now = [] if "turns" in option else ["eval=true"]  # it may also come later
    metrics = "evaluation.metrics=[bleu,rouge,reasoning,bertscore]"
    assert AT_ONCE[option] in refused(capsys, *now, metrics, option)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_answered_is_refused_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trainer, "fit", lambda *_: pytest.fail("it trains"))
    assert "no adapter to switch off" in refused(capsys, "adapter=full", "eval=true", "evaluation.baseline=true")
    assert "max_new_tokens" in refused(capsys, "eval=true", "max_seq_len=64", "evaluation.max_new_tokens=64")
    said = refused(capsys, "eval=true", "n=20", "max_seq_len=96", "evaluation.max_new_tokens=90", "data.overlong=error")
    assert "max_seq_len" in said
    assert not list(tmp_path.iterdir())


def test_a_backend_that_cannot_train_is_refused_before_it_asks_for_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("QFT_QCLOUD_KEY", raising=False)
    monkeypatch.setattr(prepare, "load", lambda *_: pytest.fail("data are read"))
    assert "backend=qcloud gives no gradient, so it cannot train" in refused(capsys, "backend=qcloud")
    assert not list(tmp_path.iterdir())
