"""The loss curve of a run: its running mean as numbers, and curve.png.

The running mean at step t covers the last w = max(1, T / 20) of the T steps up to t, fewer at the beginning::

    m_t = mean(loss_k for k in t - w + 1 .. t)
"""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from qft.errors import QftError
from qft.process.files import write_bytes
from qft.records import HistoryRow, read_history

PART = 20  # the running mean covers a twentieth of the run


def running_mean(history: Sequence[HistoryRow]) -> tuple[np.ndarray, np.ndarray]:
    """Steps and the running mean of the train loss (nats per token), both (steps,); empty without training steps."""
    rows = [(r.step, r.train_loss) for r in history if r.train_loss is not None]
    if not rows:
        return np.empty(0), np.empty(0)
    steps, losses = np.array(rows, dtype=np.float64).T
    total = np.concatenate([[0.0], np.cumsum(losses)])
    last = np.arange(1, len(losses) + 1)
    first = np.maximum(0, last - window(len(losses)))
    return steps, (total[last] - total[first]) / (last - first)


def window(steps: int) -> int:
    """Steps that a running mean over a run of so many covers."""
    return max(1, steps // PART)


def draw(run: Path, title: str) -> Path:
    """Write curve.png: training loss a step (thin), its running mean, validation loss (dots).

    Raises QftError where history.csv is damaged or holds no training step.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    rows = read_history(run / "history.csv")
    train = [(r.step, r.train_loss) for r in rows if r.train_loss is not None]
    validation = [(r.step, r.validation_loss) for r in rows if r.validation_loss is not None]
    steps, mean = running_mean(rows)
    if not train:
        raise QftError(f"{run / 'history.csv'} holds no training step.")
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.plot(*zip(*train, strict=True), color="#9ecae1", linewidth=0.8, label="training, each step")
    if (width := window(len(train))) > 1:
        axes.plot(steps, mean, color="#08519c", linewidth=1.8, label=f"training, mean of {width} steps")
    axes.plot(*zip(*validation, strict=True), "o-", color="#d94801", markersize=4, linewidth=1.2, label="validation")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("optimizer step")
    axes.set_ylabel("loss (nats per token)")
    axes.set_title(title, fontsize=10, loc="left", parse_math=False)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)
    path = run / "curve.png"
    content = io.BytesIO()
    figure.savefig(content, dpi=150, format="png")
    write_bytes(path, content.getvalue())
    return path
