"""Training curves as numbers: the running mean of the loss, and when it gets as low as another run's end."""

import numpy as np

from qft.reports.sweep import Cell

PART = 20  # the running mean covers a twentieth of the run


def running(cell: Cell) -> tuple[np.ndarray, np.ndarray]:
    """Steps and train loss (steps,) averaged over the last twentieth of the run up to each; empty without history."""
    rows = [(r["step"], r["train_loss"]) for r in cell.history if r["train_loss"] is not None and r["step"] is not None]
    if not rows:
        return np.empty(0), np.empty(0)
    steps, losses = np.array(rows, dtype=np.float64).T
    total = np.concatenate([[0.0], np.cumsum(losses)])
    last = np.arange(1, len(losses) + 1)
    first = np.maximum(0, last - window(losses))
    return steps, (total[last] - total[first]) / (last - first)


def percent_of_steps(cell: Cell, lora: Cell) -> float | None:
    """Steps to get as low as LoRA's last running mean, in percent of LoRA's own; None: the cell never does.

    LoRA's curve is noisy and flat at its end: it mostly is as low some time before, so that is what counts for both.
    """
    _, lora_losses = running(lora)
    if not len(lora_losses):
        return None
    own, theirs = _first(cell, lora_losses[-1]), _first(lora, lora_losses[-1])
    return None if own is None or theirs is None else 100 * own / theirs


def _first(cell: Cell, goal: float) -> float | None:
    """First step whose running mean, over a whole window, is at or below the goal."""
    steps, losses = running(cell)
    reached = np.flatnonzero(losses[window(losses) - 1 :] <= goal)
    return float(steps[reached[0] + window(losses) - 1]) if len(reached) else None


def window(losses: np.ndarray) -> int:
    """Steps that a running mean covers."""
    return max(1, len(losses) // PART)
