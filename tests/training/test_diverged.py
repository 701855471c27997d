"""A loss that is no number ends a run, and is never taken for a result; the first step of a short run moves."""

import json
from pathlib import Path

import pytest
import torch
from program import qft_here
from safetensors.torch import load_file
from test_interrupt import fit

from qft.config import TrainerConfig
from qft.training import trainer

ARGS = ["train", "adapter=lora", "n=20", "trainer.batch_size=4", "data.heldout=4", "run=r"]


def test_a_loss_that_is_no_number_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert qft_here(*ARGS, "trainer.max_steps=6", "trainer.lr=1e30", "trainer.save_every=1") == 2
    assert "qft: Diverged at step" in capfd.readouterr().err
    run = tmp_path / "outputs/r"
    marker = json.loads((run / "DIVERGED").read_text())
    assert set(marker["files"]) == {"config.yaml", "record.json", "history.csv"} and "is nan" in marker["reason"]
    assert not any((run / name).exists() for name in ("COMPLETE", "checkpoints", "adapter"))
    assert qft_here("eval", "run=r") == 2 and "no result to evaluate" in capfd.readouterr().err
    again = [*ARGS, "trainer.max_steps=6", "trainer.lr=1e30", "trainer.save_every=1"]
    assert qft_here(*again) == 2 and "has diverged" in capfd.readouterr().err
    assert qft_here(*again, "resume=true") == 2 and "overwrite=true" in capfd.readouterr().err
    assert qft_here(*(a for a in again if a != "run=r"), "resume=true") == 2  # nothing there to go on with
    capfd.readouterr()
    (run / "metrics.json").write_text("{}")
    log = (run / "log.txt").read_text()
    assert qft_here(*ARGS, "trainer.max_steps=1", "overwrite=true") == 0
    assert (run / "COMPLETE").exists() and not any((run / name).exists() for name in ("DIVERGED", "metrics.json"))
    assert (run / "log.txt").read_text().startswith(log) and "Diverged" not in (run / "record.json").read_text()


def test_the_first_step_of_a_short_run_moves(tmp_path: Path) -> None:
    fit(tmp_path / "one", steps=1)
    weights = load_file(tmp_path / "one/adapter/adapter_model.safetensors")
    assert any(w.abs().max() > 0 for name, w in weights.items() if "lora_B" in name), "B starts at zero"


@pytest.mark.parametrize(("steps", "warm"), [(1, 0), (5, 0), (9, 0), (10, 1), (29, 2)])
def test_short_runs_warm_up_over_a_tenth_at_most(steps: int, warm: int, tmp_path: Path) -> None:
    rates = rates_of(steps, tmp_path)
    assert rates[warm] == max(rates) == 0.01 and warm <= steps / 10
    assert rates[: warm + 1] == pytest.approx([0.01 * (k + 1) / (warm + 1) for k in range(warm + 1)])


def test_long_runs_warm_up_as_the_library_does(tmp_path: Path) -> None:
    from transformers import get_cosine_schedule_with_warmup

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.01)
    scheduler = get_cosine_schedule_with_warmup(optimizer, 4, 34)  # a tenth, rounded up
    expected = []
    for _ in range(34):
        expected.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    assert rates_of(34, tmp_path) == expected


def rates_of(steps: int, place: Path) -> list[float]:
    """The learning rate of each step, as the Trainer would be given it."""
    args = trainer.arguments(TrainerConfig(lr=0.01), steps, place, 0, torch.float32)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.01)
    made = trainer.QftTrainer.__new__(trainer.QftTrainer)
    made.args, made.lr_scheduler, made.optimizer = args, None, optimizer
    scheduler = made.create_scheduler(steps, optimizer)
    rates = []
    for _ in range(steps):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return rates
