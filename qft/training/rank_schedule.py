"""Tuners of PEFT that take ranks away while they train, as AdaLoRA: their schedule, called once an optimizer step.

Whichever tuner has PEFT's ``update_and_allocate(step)`` is driven by it, after each step and before its gradients are
zeroed. Steps count from 1 to the run's number of steps, which stands in ``total_step`` in place of the config's own;
where ``tinit`` and ``tfinal`` are both 0, the shares FIRST and LAST of the run stand in theirs (ours).

The pattern of ranks that are left stays out of the adapter's config until training ends, so that checkpoints hold all
ranks: one that is masked now may come back while the schedule lasts. What else the tuner's allocator knows, the
importance of each weight, is a file of the checkpoint, from which a resumed run goes on exactly; a tuner that keeps its
importance elsewhere starts it anew. AdaLoRA's penalty is no part of a validation loss, which is then that of the model.
"""

import logging
from collections import Counter
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from accelerate.optimizer import AcceleratedOptimizer
from peft import PeftModel
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import TrainerCallback

from qft.errors import QftError

log = logging.getLogger(__name__)

FILE = "ranks.safetensors"
FIRST, LAST = 0.1, 0.3  # of a run's steps: before the first rank goes, and after the last
MOMENTS = ("ipt", "exp_avg_ipt", "exp_avg_unc")  # of PEFT's rank allocator, each by parameter


def rank_schedules(model: Any) -> list[TrainerCallback]:
    """The callback that a model's tuner needs; none for most."""
    tuner: Any = model.base_model if isinstance(model, PeftModel) else None
    return [RankSchedule(tuner)] if hasattr(tuner, "update_and_allocate") else []


class RankSchedule(TrainerCallback):
    """Calls the tuner's schedule; keeps and restores what it knows."""

    def __init__(self, tuner: Any) -> None:
        self.tuner = tuner
        self.allocator: Any = vars(tuner).get("rankallocator")
        self.config: Any = next(config for config in tuner.peft_config.values() if not config.inference_mode)
        self.pattern: dict[str, list[bool]] | None = None
        self.runs = True
        self.penalty: float | None = vars(self.config).get("orth_reg_weight")

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.runs = set_steps(self.config, state.max_steps)
        if self.penalty is not None:
            self.tuner.register_forward_pre_hook(self._penalise)
            self.tuner.register_forward_hook(self._put_back, always_call=True)
        if state.global_step and self.allocator is not None:
            saved = Path(args.output_dir) / f"checkpoint-{state.global_step}" / FILE
            if not saved.is_file():
                raise QftError(
                    f"{saved} is missing: the ranks cannot go on from there. Start afresh with overwrite=true."
                )
            self._restore(load_file(saved))

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        optimizer = kwargs["optimizer"]
        skipped = isinstance(optimizer, AcceleratedOptimizer) and optimizer.step_was_skipped  # no gradients to judge by
        if skipped or not self.runs:
            return
        self.config.rank_pattern = self.pattern
        self.tuner.update_and_allocate(state.global_step + 1)
        self.pattern, self.config.rank_pattern = self.config.rank_pattern, None

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.allocator is not None and state.is_world_process_zero:
            tensors = {f"pattern|{name}": torch.tensor(left) for name, left in (self.pattern or {}).items()}
            for moment in MOMENTS:
                tensors |= {f"{moment}|{name}": t for name, t in vars(self.allocator)[moment].items()}
            save_file(tensors, Path(args.output_dir) / f"checkpoint-{state.global_step}" / FILE)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.pattern is not None:
            self.config.rank_pattern = self.pattern
            tally = Counter(sum(left) for left in self.pattern.values())
            log.info("rank: %s", ", ".join(f"{rank} in {n} modules" for rank, n in sorted(tally.items())))

    def _penalise(self, tuner: Any, given: Any) -> None:
        """Before each forward: the penalty is added to a loss in training alone."""
        self.config.orth_reg_weight = self.penalty if tuner.training else 0.0

    def _put_back(self, tuner: Any, given: Any, output: Any) -> None:
        """After it, as the config may be saved at any time."""
        self.config.orth_reg_weight = self.penalty

    def _restore(self, tensors: dict[str, Tensor]) -> None:
        for key, tensor in tensors.items():
            kind, _, name = key.partition("|")
            if kind == "pattern":
                self.pattern = (self.pattern or {}) | {name: tensor.tolist()}
            elif kind in MOMENTS:
                vars(self.allocator)[kind][name] = tensor.to(self.tuner.get_parameter(f"model.{name}").device)


def set_steps(config: Any, steps: int) -> bool:
    """Fit the schedule into a run of so many steps; False where it is too short for one.

    Raises QftError where the config's own steps leave none in which ranks are taken away.
    """
    if "total_step" not in {field.name for field in fields(config)}:
        return True
    if steps < 2:
        log.warning("A run of %d step is too short for ranks to be taken away; all of them stay.", steps)
        return False
    config.total_step = steps
    if config.tinit == config.tfinal == 0:
        config.tinit, config.tfinal = int(FIRST * steps), int(LAST * steps)
    if config.tinit >= steps - config.tfinal - 1:
        raise QftError(
            f"adapter.tinit={config.tinit} and adapter.tfinal={config.tfinal} leave no step of this run's {steps} in "
            f"which ranks are taken away; together they may be at most {steps - 2}."
        )
    return True
