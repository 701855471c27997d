"""What noise does to a trained adapter, in a sentence each: the validation loss by noise scale."""

from qft.reports.sweep import Cell, Sweep, ordered
from qft.statistics.summary import mean_sd


def summary(sweep: Sweep) -> list[str]:
    """One line for each method and way of training, at exact expectations; [] where no cell varies the scale.

    ``QWTHN, trained with noise, on demo, n = 300: validation loss 0.997 at noise scale 0, 0.940 at 1.``
    """
    cells = [c for c in sweep.final() if "noise_scale" in c.variant and c.variant.get("shots") is None]
    lines = []
    for label, data, n in ordered((c.label, c.data, c.n) for c in cells):
        series = [c for c in cells if (c.label, c.data, c.n) == (label, data, n)]
        scales = sorted({c.variant["noise_scale"] for c in series})
        means = [(scale, _mean([c for c in series if c.variant["noise_scale"] == scale])) for scale in scales]
        parts = [f"{mean:.3f} at {scale:g}" for scale, mean in means if mean is not None]
        if parts:
            parts[0] = parts[0].replace(" at ", " at noise scale ")
            exact = series[0].variant.get("trained") == "exact"
            how = ", trained without noise" if exact else ""
            lines.append(f"{label}{how}, on {data}, n = {n}: validation loss {', '.join(parts)}.")
    return lines


def _mean(cells: list[Cell]) -> float | None:
    losses = [loss for c in cells if c.done and (loss := c.loss("validation_loss")) is not None]
    return mean_sd(losses)[0] if losses else None
