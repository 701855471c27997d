"""Assembles transformers' Trainer: arguments, callbacks, exact validation loss, resume."""

import logging
import math
import shutil
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, Dataset
from transformers import DataCollatorForSeq2Seq, Trainer, TrainingArguments
from transformers.trainer_callback import PrinterCallback, ProgressCallback

from qft import ranges
from qft.adapters.config import QftConfig
from qft.adapters.layer import QftLayer
from qft.config import TrainerConfig
from qft.errors import QftError, first_line, nearest
from qft.process.files import whole_directory
from qft.process.memory import peak_bytes
from qft.process.signals import DeferredStop
from qft.quantum.backends.base import Backend
from qft.records import CircuitCount, HistoryRow, Plain, RunDirectory, TrainingRecord, newest_checkpoint, read
from qft.training import checkpoints, distributed, packing, trackers
from qft.training.callbacks import SECONDS, Checkpoints, Finite, History, Lines, circuits_file, history_rows, progress
from qft.training.interrupt import Interrupt
from qft.training.rank_schedule import rank_schedules

log = logging.getLogger(__name__)

SHORT = 30  # steps; runs of fewer warm up over their share rounded down, and not from a rate of zero
PARTS = 10  # validations of a run, where not set


class Rows(Dataset[dict[str, list[int]]]):
    """A list of tokenised rows as a dataset."""

    def __init__(self, rows: list[dict[str, list[int]]]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, list[int]]:
        return self.rows[index]


class QftTrainer(Trainer):
    """The library's Trainer with a validation loss per token and a few more columns in its log."""

    def __init__(self, *args: Any, backend: Backend, padded: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.backend, self.padded = backend, padded
        self._clock: tuple[float, float, int] | None = None  # when this start began: now, seconds before it, tokens
        self._last: tuple[float, int] | None = None  # time and tokens of the last training loss
        rows = self.eval_dataset.rows  # type: ignore[union-attr]
        # the first token of a row is never predicted
        tokens = sum(sum(label != -100 for label in row["labels"][1:]) for row in rows)
        self._samples_per_token = len(rows) / tokens
        self._batches_per_token = math.ceil(len(rows) / self.args.eval_batch_size) / tokens

    def get_eval_dataloader(self, *args: Any, **kwargs: Any) -> Any:
        """Validation is padded, packed or not: its loss then has one meaning.

        Several processes validate on all rows each: shared out, the library would repeat some to fill up a batch.
        """
        if distributed.world() > 1:
            return DataLoader(self.eval_dataset, self.args.eval_batch_size, collate_fn=self.padded)
        collate: Any = self.data_collator  # type: ignore[has-type]
        self.data_collator = self.padded
        try:
            return super().get_eval_dataloader(*args, **kwargs)
        finally:
            self.data_collator = collate

    def prediction_step(self, model: nn.Module, inputs: Plain, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Rescales a batch's mean loss so that the library's mean over samples is the mean over tokens.

        The library averages batch means weighted by samples: sum_b (loss_b * n_b) / N. With
        loss'_b = loss_b * tokens_b / n_b * N / T that is sum_b (loss_b * tokens_b) / T. With several processes
        every one of the B batches weighs the same there: loss'_b = loss_b * tokens_b * B / T.
        """
        loss, *rest = super().prediction_step(model, inputs, *args, **kwargs)
        if loss is not None:
            labels = inputs["labels"]
            tokens = (labels[:, 1:] != -100).sum()
            if distributed.world() == 1:
                loss = loss * (tokens / labels.shape[0] * self._samples_per_token)
            else:
                loss = loss * (tokens * self._batches_per_token)
        return loss, *rest

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """The library warms up from a rate of zero, at which nothing is trained; a short run's first step moves."""
        scheduler: Any = super().create_scheduler(num_training_steps, optimizer)
        warm = self.args.get_warmup_steps(num_training_steps)
        if num_training_steps < SHORT and warm and isinstance(scheduler, LambdaLR):
            after = scheduler.lr_lambdas[0]
            self.lr_scheduler = LambdaLR(
                scheduler.optimizer, lambda step: (step + 1) / (warm + 1) if step < warm else after(step)
            )
        return self.lr_scheduler

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Adds seconds (of all starts together), tokens per second, peak memory and circuits evaluated."""
        now, seen = time.perf_counter(), self.state.num_input_tokens_seen
        before: Plain = next((e for e in reversed(self.state.log_history) if "seconds" in e), {})
        if self._clock is None:
            self._clock = (now, before.get("seconds", 0.0), seen)
        start, offset, _ = self._clock
        logs["seconds"] = round(now - start + offset, 3)
        if "loss" in logs:
            last_time, last_seen = self._last or (start, self._clock[2])
            logs["tokens_per_second"] = round((seen - last_seen) / max(now - last_time, 1e-9), 1)
            self._last = (now, seen)
        logs["peak_memory_mb"] = round(peak_bytes() / 1e6, 1)
        logs["circuits"] = self.backend.evaluations
        super().log(logs, start_time)


def arguments(config: TrainerConfig, steps: int, output: Path, seed: int, dtype: torch.dtype) -> TrainingArguments:
    """TrainingArguments for a run of ``steps`` optimizer steps."""
    every = config.eval_every or max(1, steps // PARTS)
    # the library rounds up: of one step, that would be all
    warmup = math.floor(config.warmup * steps) if steps < SHORT else config.warmup
    cpu = not torch.cuda.is_available()
    try:
        return TrainingArguments(
            output_dir=str(output),
            num_train_epochs=config.epochs,
            max_steps=config.max_steps or -1,
            per_device_train_batch_size=config.batch_size,
            per_device_eval_batch_size=config.batch_size,
            gradient_accumulation_steps=config.accumulation,
            learning_rate=config.lr,
            lr_scheduler_type=config.scheduler,
            warmup_steps=warmup,
            weight_decay=config.weight_decay,
            max_grad_norm=config.max_grad_norm,
            optim=config.optimizer,
            bf16=dtype == torch.bfloat16,
            use_cpu=cpu,
            activation_checkpointing=config.gradient_checkpointing,
            activation_checkpointing_kwargs={"use_reentrant": False} if config.gradient_checkpointing else None,
            logging_steps=config.log_every,
            logging_nan_inf_filter=False,  # a loss that has diverged is shown as it is
            eval_strategy="steps",
            eval_steps=every,
            save_strategy="steps",
            save_steps=config.save_every or every,
            save_total_limit=2,
            seed=seed,
            data_seed=seed,
            report_to=list(config.report_to),
            disable_tqdm=True,
            dataloader_pin_memory=not cpu,
            ddp_find_unused_parameters=False,
            include_num_input_tokens_seen="non_padding",
            prediction_loss_only=True,
            label_names=["labels"],
            remove_unused_columns=False,
        )
    except ValueError as error:
        raise QftError(f"trainer: {first_line(error)}") from error


def check(config: TrainerConfig) -> None:
    """Refuse settings that no run can have."""
    ranges.check(config, "trainer.")
    from transformers import SchedulerType
    from transformers.training_args import OptimizerNames

    known = (("scheduler", config.scheduler, SchedulerType), ("optimizer", config.optimizer, OptimizerNames))
    for name, value, choices in known:
        if value not in {c.value for c in choices}:
            raise QftError(f"trainer.{name}={value} does not exist.{nearest(value, (c.value for c in choices))}")
    trackers.check(config.report_to)


def fit(
    model: Any,
    tokenizer: Any,
    train: list[dict[str, list[int]]],
    validation: list[dict[str, list[int]]],
    config: TrainerConfig,
    directory: RunDirectory,
    seed: int,
    dtype: torch.dtype,
    backend: Backend,
    stop: DeferredStop,
    measure: Callable[[Any], None],
) -> TrainingRecord | None:
    """Train, leaving history.csv, checkpoints/ and adapter/ in the directory; resume from a checkpoint there.

    Raises Stopped, with a checkpoint, after the step at which ``stop`` notes a signal; Diverged at a loss that is NaN
    or infinite.

    ``measure`` is called with the trained model before it is saved: by the first process, or by all where each holds
    only a share of the weights.

    Returns the training's part of the record; None in all processes but the first.
    """
    per_step = config.batch_size * config.accumulation * distributed.world()
    steps = config.max_steps or math.ceil(math.ceil(len(train) / per_step) * config.epochs)
    folder = directory / "checkpoints"
    checkpoint = newest_checkpoint(folder, before=steps)  # from the last step's the library would train one step more
    if checkpoint is not None:
        checkpoints.check(checkpoint)
    distributed.wait()
    for stale in folder.glob("checkpoint-*") if distributed.first() else ():
        if checkpoint is None or int(stale.name.rpartition("-")[2]) > int(checkpoint.name.rpartition("-")[2]):
            shutil.rmtree(stale)  # half-written, or newer than the one to resume from
    distributed.wait()
    args = arguments(config, steps, folder, seed, dtype)
    if checkpoint and (checkpoint / circuits_file(args)).is_file():  # those of earlier versions have none
        backend.evaluations = read(checkpoint / circuits_file(args), CircuitCount).circuits
    args.run_name, args.project = directory.path.name, trackers.PROJECT  # as trackers call it
    args.eval_on_start = checkpoint is None  # the base's loss, where the method starts at zero
    padded = DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=-100)
    seconds = SECONDS if config.save_every is None else 0.0
    ours = [History(directory / "history.csv"), Finite(), Checkpoints(backend, seconds)]
    with trackers.tracked(config.report_to, directory.path):
        trainer = QftTrainer(
            model=model,
            args=args,
            train_dataset=Rows(train),
            eval_dataset=Rows(sorted(validation, key=lambda row: len(row["input_ids"]))),  # what pads costs as much
            data_collator=packing.collator() if config.packing else padded,
            padded=padded,
            callbacks=[*rank_schedules(model), *ours, *method_callbacks(model), Interrupt(stop)],
            backend=backend,
        )
        trainer.remove_callback(PrinterCallback)
        trainer.remove_callback(ProgressCallback)
        bar = progress()
        trainer.add_callback(bar)
        if not isinstance(bar, Lines) and trainer.is_world_process_zero():
            args.disable_tqdm = False
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if trainer.state.global_step < trainer.state.max_steps:
        stop.check()
    backend.evaluations = distributed.total(backend.evaluations)
    trained = summary(history_rows(trainer.state.log_history), trainer.state.num_input_tokens_seen, backend)
    sharded = trainer.is_fsdp_enabled  # then all processes put the weights together, and one writes them
    if sharded or trainer.is_world_process_zero():
        measure(trainer.model_wrapped if sharded else model)
    whole = trainer.accelerator.get_state_dict(trainer.model_wrapped) if sharded else None
    if trainer.is_world_process_zero():
        with whole_directory(directory / "adapter") as place:
            model.save_pretrained(str(place), state_dict=whole)
        reports = None if sharded else module_reports(model)  # one process holds only its share to report on
        return replace(trained, modules=reports)
    return None


def method_callbacks(model: Any) -> list[Any]:
    """The callbacks the model's adapters ask for."""
    configs = getattr(model, "peft_config", {}).values()
    return [callback for config in configs if isinstance(config, QftConfig) for callback in config.callbacks()]


def module_reports(model: nn.Module) -> dict[str, Plain] | None:
    """Collect what adapters report after training, by module: {"0.q_proj": {"rank": 3}}; None if none reports any."""
    found = {}
    for name, layer in model.named_modules():
        if isinstance(layer, QftLayer):
            for delta in layer.qft_delta.values():
                if report := delta.report():
                    found[name.removeprefix("base_model.model.")] = report
    for key in dict.fromkeys(key for report in found.values() for key in report):
        tally = Counter(report[key] for report in found.values())
        log.info("%s: %s", key, ", ".join(f"{value} in {n} modules" for value, n in sorted(tally.items())))
    return found or None


def summary(rows: list[HistoryRow], tokens: int, backend: Backend) -> TrainingRecord:
    """Figures of a finished training from the rows of its history."""
    trained = [(r.step, r.epoch, r.train_loss) for r in rows if r.train_loss is not None and r.epoch is not None]
    last = math.ceil(trained[-1][1] - 1e-9)
    final = [loss for _, epoch, loss in trained if epoch > last - 1 + 1e-9]
    validated = [r.validation_loss for r in rows if r.validation_loss is not None]
    return TrainingRecord(
        steps=trained[-1][0],
        train_loss_run_mean=sum(loss for _, _, loss in trained) / len(trained),
        train_loss_final_epoch=sum(final) / len(final),
        validation_loss=validated[-1],
        validation_loss_at_start=validated[0],
        seconds=rows[-1].seconds or 0.0,
        tokens=tokens,
        peak_memory_mb=max(r.peak_memory_mb for r in rows if r.peak_memory_mb is not None),
        circuits=backend.evaluations,
    )
