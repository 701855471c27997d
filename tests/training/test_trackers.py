"""trainer.report_to: what is written, that nothing else changes, and what is refused before training."""

import types
from pathlib import Path

import pytest
from program import qft_here
from transformers.integrations import integration_utils

from qft.errors import QftError
from qft.records import read_history
from qft.training import trackers

ARGS = ["train", "adapter=lora", "n=20", "trainer.batch_size=4", "trainer.max_steps=2", "data.heldout=4"]
TENSORBOARD = "trainer.report_to=[tensorboard]"


def test_tensorboard_shows_the_losses_and_changes_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.chdir(tmp_path)
    assert qft_here(*ARGS, "run=without") == 0
    assert qft_here(*ARGS, "run=with", TENSORBOARD) == 0
    run, other = tmp_path / "outputs/with", tmp_path / "outputs/without"
    weights = "adapter/adapter_model.safetensors"
    assert (run / weights).read_bytes() == (other / weights).read_bytes() and not (other / "tensorboard").exists()
    events = EventAccumulator(str(run / "tensorboard")).Reload()
    history = read_history(run / "history.csv")
    for tag, losses in (
        ("train/loss", [(r.step, r.train_loss) for r in history if r.train_loss is not None]),
        ("eval/loss", [(r.step, r.validation_loss) for r in history if r.validation_loss is not None]),
    ):
        shown = [(e.step, e.value) for e in events.Scalars(tag)]
        assert losses and [step for step, _ in shown] == [step for step, _ in losses]
        assert [loss for _, loss in shown] == pytest.approx(
            [loss for _, loss in losses], rel=1e-6
        )  # events are float32
    assert qft_here(*ARGS, "run=with", "overwrite=true") == 0 and not (run / "tensorboard").exists()


def test_a_tracker_without_its_package_is_refused_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("wandb", "mlflow", "trackio", "tensorboard"):
        monkeypatch.setattr(integration_utils, f"is_{name}_available", lambda: False)
        assert qft_here(*ARGS, f"trainer.report_to=[{name}]") == 2
        error = capfd.readouterr().err
        assert f"qft: trainer.report_to={name} needs the package {name}: pip install {name}" in error
    assert qft_here(*ARGS, "trainer.report_to=[wandbb]") == 2
    assert "Did you mean 'wandb'?" in capfd.readouterr().err
    assert not list(tmp_path.iterdir())


class Tracker(types.ModuleType):
    """A stand-in for wandb: one run at a time, that of the caller or ours."""

    def __init__(self) -> None:
        super().__init__("wandb")
        self.run: str | None = None
        self.ended: list[int] = []

    def finish(self, exit_code: int) -> None:
        self.ended.append(exit_code)
        self.run = None


def test_a_tracker_ends_with_its_run_and_never_the_callers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = Tracker()
    monkeypatch.setitem(trackers.sys.modules, "wandb", tracker)
    with trackers.tracked(["wandb"], tmp_path):
        assert trackers.os.environ["WANDB_PROJECT"] == "qft"
        tracker.run = "ours"
    assert tracker.ended == [0] and "WANDB_PROJECT" not in trackers.os.environ
    failure = type("UsageError", (Exception,), {"__module__": "wandb.errors"})
    with (
        pytest.raises(QftError, match=r"trainer.report_to: wandb has failed: no room"),
        trackers.tracked(["wandb"], tmp_path),
    ):
        raise failure("no room\nmore")
    assert tracker.ended == [0, 1]
    tracker.run = "the caller's"
    with pytest.raises(KeyError), trackers.tracked(["wandb"], tmp_path):
        raise KeyError("no tracker's")
    assert tracker.ended == [0, 1]


def test_a_link_in_the_place_of_events_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "tensorboard").symlink_to(tmp_path)
    with pytest.raises(QftError, match="is a link"), trackers.tracked(["tensorboard"], tmp_path):
        pass
