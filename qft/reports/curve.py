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
    window = max(1, len(losses) // PART)
    total = np.concatenate([[0.0], np.cumsum(losses)])
    last = np.arange(1, len(losses) + 1)
    first = np.maximum(0, last - window)
    return steps, (total[last] - total[first]) / (last - first)


def percent_of_steps(cell: Cell, lora: Cell) -> float | None:
    """Steps the cell needs to get to LoRA's last running mean, in percent of LoRA's steps; None: it never does."""
    steps, losses = running(cell)
    lora_steps, lora_losses = running(lora)
    if not len(losses) or not len(lora_losses):
        return None
    reached = np.flatnonzero(losses <= lora_losses[-1])
    return float(100 * steps[reached[0]] / lora_steps[-1]) if len(reached) else None
