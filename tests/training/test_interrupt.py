"""A signal to stop while training: the step is finished and a checkpoint saved."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from qft.adapters import methods
from qft.config import TrainerConfig
from qft.models import load
from qft.process.signals import DeferredStop, Stopped, listen, restore
from qft.quantum import backends
from qft.records import RunDirectory, TrainingRecord, newest_checkpoint
from qft.training import trainer

DEMO = {"path": "package:qft/models/demo", "revision": None}
LORA = {"_target_": "peft.LoraConfig", "name": "lora", "r": 2, "target_modules": ["q_proj"]}


def fit(run: Path, steps: int) -> TrainingRecord:
    """Train LoRA on the demo model for so many steps of the four an epoch has."""
    tokenizer = load.load_tokenizer(DEMO)
    model = methods.of(LORA).add_to(load.load_base(DEMO, torch.float32), None, seed=0)
    rows = [{"input_ids": (ids := [5 + k, 7, 9, 11]), "labels": ids, "attention_mask": [1] * 4} for k in range(8)]
    config = TrainerConfig(max_steps=steps, batch_size=2, lr=0.01, eval_every=1, save_every=1)
    directory = RunDirectory(run).open()
    try:
        with DeferredStop() as stop:
            backend = backends.load("statevector")
            given = (config, directory, 0, torch.float32, backend, stop)
            return trainer.fit(model, tokenizer, rows, rows, *given, measure=lambda trained: None)
    finally:
        directory.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_training_stops_after_its_step_and_saves(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qft.training.callbacks import Checkpoints

    def tell(self: Any, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == 1:
            for _ in range(1 if number == signal.SIGINT else 3):  # Slurm sends SIGTERM more than once
                os.kill(os.getpid(), number)

    monkeypatch.setattr(Checkpoints, "on_step_begin", tell)
    before = listen(number)  # also where nohup has it ignored
    try:
        with pytest.raises(Stopped, match=number.name):
            fit(tmp_path / "run", steps=6)
    finally:
        restore(before)
    checkpoint = newest_checkpoint(tmp_path / "run/checkpoints")
    assert checkpoint is not None and checkpoint.name == "checkpoint-2"


def test_a_run_killed_after_its_last_checkpoint_is_not_trained_further(tmp_path: Path) -> None:
    first = fit(tmp_path / "run", steps=3)
    weights = (tmp_path / "run/adapter/adapter_model.safetensors").read_bytes()
    again = fit(tmp_path / "run", steps=3)
    assert again.steps == first.steps == 3
    assert again.train_loss_run_mean == first.train_loss_run_mean
    assert (tmp_path / "run/adapter/adapter_model.safetensors").read_bytes() == weights
