"""Runs that ended worse than they began: a mean over seeds hides them, so they are named."""

import math

from qft.reports.sweep import Cell, Sweep, ordered


def diverged(sweep: Sweep) -> list[str]:
    """Groups with finished runs whose validation loss is above that of the untuned base, or missing.

    Compared with the base on the same data and n; runs that diverged are listed by ``without_loss`` instead.

    ``["QWTHN on demo_math, n = 1000 (1 of 3 seeds, up to 12.1)"]``; empty where the base was not measured.
    """
    base = {(c.data, c.n): c.loss("validation_loss") for c in sweep.final() if c.role == "base" and c.done}
    groups = []
    for row, data, n in ordered(c.group for c in sweep.final() if c.role != "base"):
        start = base.get((data, n))
        ends = [_end(c) for c in sweep.of((row, data, n)) if c.done]
        if start is not None and (worse := [end for end in ends if end > start]):
            groups.append(f"{row} on {data}, n = {n} ({len(worse)} of {len(ends)} seeds, up to {max(worse):.3g})")
    return groups


def without_loss(sweep: Sweep) -> list[str]:
    """Final runs that ended because their loss became NaN or infinite."""
    return [c.name for c in sweep.final() if c.state == "diverged"]


def _end(cell: Cell) -> float:
    """Its validation loss; infinite where training left none, and minus infinity where none was asked for."""
    loss = cell.loss("validation_loss")
    if loss is None:
        return math.inf if cell.training else -math.inf
    return loss
