"""Callbacks of a run: progress bar, history on disk, checkpoint markers, a last validation."""

import logging
import math
import time
from pathlib import Path
from typing import Any

from transformers import TrainerCallback
from transformers.trainer_callback import ProgressCallback

from qft import records
from qft.errors import Diverged
from qft.process import files
from qft.progress import watched
from qft.quantum.backends.base import Backend
from qft.records import Plain
from qft.training import distributed

log = logging.getLogger(__name__)
SECONDS = 60.0  # least time between checkpoints where not set otherwise: about what a killed run does again


class Bar(ProgressCallback):
    """The library's bar with the losses beside it instead of a line of text a step."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: dict[str, str] = {}

    def on_log(self, args: Any, state: Any, control: Any, logs: Plain | None = None, **kwargs: Any) -> None:
        if self.training_bar is not None and logs:
            losses = {"loss": logs.get("loss"), "val": logs.get("eval_loss")}
            self._shown |= {name: f"{loss:.3f}" for name, loss in losses.items() if loss is not None}
            self.training_bar.set_postfix(self._shown, refresh=False)


class Lines(TrainerCallback):
    """Plain lines where no one watches a bar: one with each validation."""

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Plain | None = None, **kwargs: Any) -> None:
        losses = [row["loss"] for row in state.log_history if "loss" in row]
        train = f"train loss {losses[-1]:.4f}, " if losses else ""
        value = (metrics or {}).get("eval_loss", float("nan"))
        log.info("step %d/%d: %svalidation loss %.4f", state.global_step, state.max_steps, train, value)


def progress() -> TrainerCallback:
    """A bar where someone watches, plain lines elsewhere."""
    return Bar() if watched() else Lines()


class History(TrainerCallback):
    """Rewrites history.csv from the Trainer's own log, which a resume has already cut back to its step."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.is_world_process_zero:
            records.write_history(self.path, history_rows(state.log_history))


class Finite(TrainerCallback):
    """Ends a run at a loss that is NaN or infinite: no later step could be trusted."""

    def on_log(self, args: Any, state: Any, control: Any, logs: Plain | None = None, **kwargs: Any) -> None:
        for key, words in (("loss", "training loss"), ("eval_loss", "validation loss")):
            loss = (logs or {}).get(key, 0.0)
            if not math.isfinite(loss):
                advice = "lower trainer.lr" if state.global_step else "the base or its adapter is damaged"
                raise Diverged(f"Diverged at step {state.global_step}: the {words} is {loss}; {advice}.")


def history_rows(log_history: list[Plain]) -> list[records.HistoryRow]:
    """The Trainer's log entries as rows of history.csv: one a step, training and validation side by side."""
    names = {"loss": "train_loss", "eval_loss": "validation_loss", "learning_rate": "lr"}
    rows: dict[int, Plain] = {}
    for entry in log_history:
        if "loss" not in entry and "eval_loss" not in entry:
            continue
        row = rows.setdefault(entry["step"], {})
        row.update({names.get(k, k): v for k, v in entry.items() if names.get(k, k) in records.HISTORY})
    return [records.HistoryRow(**rows[step]) for step in sorted(rows)]


class Checkpoints(TrainerCallback):
    """Validates at the last step too, spares checkpoints, and marks each complete once all of it is there.

    A checkpoint also says how many circuits were evaluated until then: the next shots depend on it. Of a short run,
    saving is a tenth of the work or more: of the saves that the Trainer asks for those are done that come
    ``seconds`` after the one before. After the last step none is: what was trained is saved next.
    """

    def __init__(self, backend: Backend, seconds: float) -> None:
        self.backend, self.seconds, self._saved = backend, seconds, time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step >= state.max_steps:
            control.should_evaluate, control.should_save = True, False
        elif control.should_save:  # in all processes at the same steps; their clocks differ
            control.should_save = distributed.share(time.monotonic() - self._saved >= self.seconds)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        checkpoint = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        records.write(checkpoint / circuits_file(args), records.CircuitCount(self.backend.evaluations))
        files.sync_tree(checkpoint)
        files.sync(checkpoint.parent)
        distributed.wait()  # each process writes, and puts on the disk, its random state
        if state.is_world_process_zero:
            records.mark_checkpoint(checkpoint)
        self._saved = time.monotonic()


def circuits_file(args: Any) -> str:
    """Name of the file of a checkpoint in which this process keeps its count of circuits."""
    return f"circuits_{args.process_index}.json"
