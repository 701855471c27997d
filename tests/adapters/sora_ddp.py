"""SoRA in one of two processes: three steps, whose gates are written to a file. Run by contracts/sharded.py."""

import os
from pathlib import Path

import tiny
import torch
from peft import get_peft_model
from transformers import Trainer, TrainingArguments

from qft.adapters import SoRAConfig
from qft.training.trainer import method_callbacks


def main(out: Path) -> None:
    """Train, and write OUT/gates-RANK.pt."""
    model = get_peft_model(tiny.build("qwen2"), SoRAConfig(init_seed=0, sparsity=1.0))
    rows = [{"input_ids": (ids := tiny.tokens(1, 7, seed=i)[0]), "labels": ids} for i in range(24)]
    arguments = TrainingArguments(
        str(out / "run"),
        use_cpu=True,
        ddp_backend="gloo",
        ddp_find_unused_parameters=False,
        per_device_train_batch_size=2,
        gradient_accumulation_steps=2,
        learning_rate=0.1,
        lr_scheduler_type="constant",
        optim="sgd",
        max_steps=3,
        report_to=[],
        disable_tqdm=True,
        save_strategy="no",
        dataloader_pin_memory=False,
    )
    assert arguments.world_size == 2
    Trainer(model, arguments, train_dataset=rows, callbacks=method_callbacks(model)).train()
    gates = torch.cat([p.detach() for n, p in model.named_parameters() if n.endswith(".g")])
    torch.save(gates, out / f"gates-{os.environ['RANK']}.pt")
