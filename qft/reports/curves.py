"""The loss curve of a run, drawn from its history.csv."""

import io
from pathlib import Path

from qft.errors import QftError
from qft.process.files import write_bytes
from qft.records import read_history


def draw(run: Path, title: str) -> Path:
    """Write curve.png: training loss a step (thin), its running mean, validation loss (dots)."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    rows = read_history(run / "history.csv")
    train = [(r["step"], r["train_loss"]) for r in rows if r["train_loss"] is not None]
    validation = [(r["step"], r["validation_loss"]) for r in rows if r["validation_loss"] is not None]
    if not train:
        raise QftError(f"{run / 'history.csv'} holds no training step.")
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    steps, losses = zip(*train, strict=True)
    window = max(1, len(losses) // 20)
    mean = [sum(losses[max(0, k - window + 1) : k + 1]) / min(k + 1, window) for k in range(len(losses))]
    axes.plot(steps, losses, color="#9ecae1", linewidth=0.8, label="training, each step")
    if window > 1:
        axes.plot(steps, mean, color="#08519c", linewidth=1.8, label=f"training, mean of {window} steps")
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
