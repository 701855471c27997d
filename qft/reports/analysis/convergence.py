"""How fast a run converges: when its training loss gets as low as another run's end."""

import numpy as np

from qft.reports.sweep import Cell
from qft.training.curve import running_mean, window


def percent_of_steps(cell: Cell, lora: Cell) -> float | None:
    """Steps to get as low as LoRA's last running mean, in percent of LoRA's own; None: the cell never does.

    LoRA's curve is noisy and flat at its end: it mostly is as low some time before, so that is what counts for both.
    """
    _, lora_losses = running_mean(lora.history)
    if not len(lora_losses):
        return None
    steps, lora_steps = _first(cell, lora_losses[-1]), _first(lora, lora_losses[-1])
    return None if steps is None or lora_steps is None else 100 * steps / lora_steps


def _first(cell: Cell, goal: float) -> float | None:
    """First step whose running mean, over a whole window, is at or below the goal."""
    steps, losses = running_mean(cell.history)
    begin = window(len(losses)) - 1
    reached = np.flatnonzero(losses[begin:] <= goal)
    return float(steps[reached[0] + begin]) if len(reached) else None
