"""Fine-tune a model with an adapter; eval=true also evaluates it."""

from typing import Any

from qft import records
from qft.cli import _scores
from qft.cli._command import Command
from qft.cli._output import log, show
from qft.config import TrainConfig
from qft.errors import QftError
from qft.progress import start_logging
from qft.training import distributed


def run(config: TrainConfig) -> None:
    """Train, and print what came of it."""
    from qft.runs.train import train

    start_logging(config.verbose)
    directory = train(config)
    if not distributed.first():
        return
    if not (config.eval and config.format == "json"):
        _show(directory, config)
    log.info("curve: %s", directory / "curve.png")
    if config.eval:
        _scores.show_evaluation(directory, config.format)


def _show(directory: records.RunDirectory, config: TrainConfig) -> None:
    record = directory.record()
    parameters, t = record.parameters, record.training
    if parameters is None or t is None:
        raise QftError(f"{directory / records.Record.FILE} says nothing of parameters or training.")
    document = {"run": str(directory.path), "parameters": parameters.trainable} | records.to_json(t)
    document["ratio_to_lora_r4"] = parameters.ratio_to_lora_r4
    rows: list[list[Any]] = [
        ["trainable parameters", parameters.trainable],
        ["share of LoRA r=4", f"{parameters.ratio_to_lora_r4:.2%}"],
        ["validation loss, at the start", t.validation_loss_at_start],
        ["validation loss, fine-tuned", t.validation_loss],
        *([] if t.heldout_loss is None else [["held-out loss, fine-tuned", t.heldout_loss]]),
        ["train loss, mean of the run", t.train_loss_run_mean],
        ["train loss, last epoch", t.train_loss_final_epoch],
        ["steps", t.steps],
        ["seconds", t.seconds],
    ]
    if record.backend and t.circuits:
        rows.append([f"circuits ({record.backend.name})", t.circuits])
    show(config.format, document, f"{config.adapter['name']} on {config.data['name']}", ["trained", "value"], rows)


COMMAND = Command(TrainConfig, run)
