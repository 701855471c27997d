"""Ctrl-C while training: once finishes the step and saves a checkpoint, twice stops at once."""

import logging
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from transformers import TrainerCallback

from qft.training import ranks

log = logging.getLogger(__name__)


class Interrupt(TrainerCallback):
    """Listens while it is entered; ``asked`` after the first Ctrl-C."""

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> "Interrupt":
        # of several processes none may stop at a step of its own: there Ctrl-C stops them all at once
        self._listens = threading.current_thread() is threading.main_thread() and ranks.world() == 1
        if self._listens:
            self._before: Any = signal.signal(signal.SIGINT, self._hear)
        return self

    def __exit__(self, kind: type | None, value: BaseException | None, trace: TracebackType | None) -> None:
        if self._listens:
            signal.signal(signal.SIGINT, self._before)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        log.warning("finishing the step and saving; Ctrl-C again stops at once")

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.asked:
            control.should_save = True
            control.should_training_stop = True
