"""Noise and shots: score and loss by noise scale and by number of shots."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from qft.evaluation.metrics.base import Measure
from qft.reports.analysis import measures
from qft.reports.analysis.analysis import Analysis
from qft.reports.document import Figure, Panel, Section
from qft.reports.render.svg import MARKERS, canvas, colour, dash, figure
from qft.reports.sweep import Cell, Sweep, ordered
from qft.statistics.summary import mean_sd
from qft.sweeps.labels import describe

CAPTION = "Means over seeds; bars: standard deviation over seeds. Scale 1 is the unchanged noise model."


def sections(analysis: Analysis) -> list[Section]:
    """A figure, where any row varies the noise or the shots."""
    return [Section("Noise and shots", figure=partial(noise_figure, analysis.sweep))]


def noise_figure(sweep: Sweep) -> Figure | None:
    """Score and loss against the noise scale at exact expectations, and against the number of shots at each scale."""
    cells = [c for c in sweep.final() if c.done and set(c.variant) & {"noise_scale", "shots"}]
    names = ordered(_series(c) for c in cells)
    panels = []
    for data, n in ordered((c.data, c.n) for c in cells):
        group = [c for c in cells if (c.data, c.n) == (data, n)]
        exact = [c for c in group if "noise_scale" in c.variant and c.variant.get("shots") is None]
        for measure in measures.shown(sweep, data):
            panels += _panel(exact, "noise_scale", "noise scale", names, measure)
            for scale in ordered(c.variant.get("noise_scale") for c in group if c.variant.get("shots") is not None):
                sampled = [c for c in group if "shots" in c.variant and c.variant.get("noise_scale") == scale]
                words = "shots" if scale is None else f"shots, noise scale {scale:g}"
                panels += _panel(sampled, "shots", words, names, measure)
    return figure("noise", "By noise scale and by shots", CAPTION, panels, list(enumerate(names)))


def _panel(cells: Sequence[Cell], key: str, words: str, names: list[str], measure: Measure) -> list[Panel]:
    """One picture of a score or a loss against ``variant[key]``; none where no cell has it."""
    if not any(measures.value(c, measure) is not None for c in cells):
        return []
    data, values = cells[0].data, sorted({c.variant[key] for c in cells}, key=_amount)
    title = f"{measure.title} by {words}, {data}, n = {cells[0].n}"
    with canvas(title, words, f"{measure.title} ({measure.unit})") as (axes, svg):
        for name in ordered(_series(c) for c in cells):
            points = []
            for x, value in enumerate(values):
                group = [c for c in cells if _series(c) == name and c.variant[key] == value]
                if numbers := [v for c in group if (v := measures.value(c, measure)) is not None]:
                    points.append((value if key == "noise_scale" else x, *mean_sd(numbers)))
            if points:
                amounts, mean, sd = zip(*points, strict=True)
                k = names.index(name)
                spread = [s or 0 for s in sd] if any(sd) else None
                style = {"color": colour(k), "linestyle": dash(k), "marker": MARKERS[k % len(MARKERS)], "capsize": 3}
                axes.errorbar(amounts, mean, spread, **style)
        if key == "shots":
            axes.set_xticks(range(len(values)), ["exact" if v is None else str(v) for v in values])
    return [Panel(f"{data} {measure.name}", title, svg[0])]


def _series(cell: Cell) -> str:
    """The cell's line in a picture of noise: its label and how it was trained."""
    rest = (describe(k, v) for k, v in sorted(cell.variant.items()) if k not in ("noise_scale", "shots"))
    return ", ".join([cell.label, *(words for words in rest if words not in cell.label)])


def _amount(value: Any) -> float:
    """A noise scale or number of shots as a number; ``exact`` and null come last."""
    return float(value) if isinstance(value, (int, float)) else float("inf")
