"""A signal to stop while training: the step is finished and a checkpoint saved."""

from typing import Any

from transformers import TrainerCallback

from qft.process.signals import DeferredStop
from qft.training import distributed


class Interrupt(TrainerCallback):
    """Saves and stops at the end of the step at which ``stop`` noted a signal, in all processes at the same one."""

    def __init__(self, stop: DeferredStop) -> None:
        self.stop = stop

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.stop.number = distributed.largest(self.stop.number or 0, args.device) or None
        if self.stop.number is not None:
            control.should_save = True
            control.should_training_stop = True
