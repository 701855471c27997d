"""The pictures of a sweep: training curves, parameters against loss, controls, noise. svg.py sets them in SVG.

Every panel is a picture of its own: the page's grid sets them side by side, or below each other on a phone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qft.reports.analysis import comparisons
from qft.reports.analysis.comparisons import Versus
from qft.reports.analysis.statistics import mean_sd
from qft.reports.read import Cell, Sweep, describe, ordered
from qft.reports.render.svg import INK, LINE, MARKERS, canvas, colour, dash, own_names
from qft.training.curve import running_mean


@dataclass
class Panel:
    """One picture with its heading."""

    row: str  # panels of one row stand beside each other
    title: str
    svg: str


@dataclass
class Figure:
    """Pictures that belong together; ``legend`` names the series by their place among the colours."""

    name: str
    title: str
    caption: str
    panels: list[Panel]
    legend: list[tuple[int, str]]


def colours(sweep: Sweep) -> dict[str, int]:
    """Row -> place among the colours, the same in every picture of a page."""
    rows = ordered(c.row for c in [*sweep.plain(), *sweep.final()] if c.role != "base")
    return {row: k for k, row in enumerate(rows)}


def training(sweep: Sweep) -> Figure | None:
    """Figure 3 of the paper: train loss by step for each dataset and n, with the range over seeds as a band."""
    places, panels, single = colours(sweep), [], False
    cells = [c for c in sweep.plain() if c.done and c.history]
    for data in ordered(c.data for c in cells):
        ends = [e[np.isfinite(e)] for e in (running_mean(c.history)[1] for c in cells if c.data == data)]
        bottom = min((e.min() for e in ends if len(e)), default=0.0)
        top = max((np.percentile(e, 97) for e in ends if len(e)), default=1.0)
        for n in sorted({c.n for c in cells if c.data == data}):
            here = [c for c in cells if (c.data, c.n) == (data, n)]
            with canvas(f"Train loss by step, {data}, n = {n}", "optimizer step", "train loss") as (axes, panel):
                for row in ordered(c.row for c in here):
                    runs = [running_mean(c.history) for c in here if c.row == row]
                    single |= len(runs) == 1
                    length = min(len(steps) for steps, _ in runs)
                    steps, losses = runs[0][0][:length], np.array([loss[:length] for _, loss in runs])
                    k = places[row]
                    axes.plot(steps, losses.mean(0), color=colour(k), linestyle=dash(k), linewidth=1.6)
                    if len(runs) > 1:
                        axes.fill_between(steps, losses.min(0), losses.max(0), color=colour(k), alpha=0.18, linewidth=0)
                if top > bottom:  # runs of a single step have one loss
                    axes.set_ylim(bottom - 0.05 * (top - bottom), top)
            panels.append(Panel(data, f"{data}, n = {n}", panel[0]))
    caption = "Running mean of the train loss over a twentieth of the run; line: mean over seeds, band: their range."
    caption += " A row with one seed has no band." if single else ""
    return _figure("curves", "Training curves (the paper's Figure 3)", caption, panels, _legend(places, cells))


def parameters(sweep: Sweep) -> Figure | None:
    """Validation loss against trainable parameters."""
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    places, panels = colours(sweep), []
    cells = [c for c in sweep.plain() if c.done and c.parameters and c.loss("validation_loss")]
    for data, n in ordered((c.data, c.n) for c in cells):
        here = [c for c in cells if (c.data, c.n) == (data, n)]
        with canvas(f"Parameters and loss, {data}, n = {n}", "trainable parameters", "validation loss") as (
            axes,
            panel,
        ):
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
            axes.xaxis.set_major_formatter(EngFormatter(sep=""))
            axes.xaxis.set_minor_formatter(NullFormatter())
            for row in ordered(c.row for c in here):
                own = [c for c in here if c.row == row]
                mean, sd = mean_sd([c.loss("validation_loss") or 0.0 for c in own])
                k = places[row]
                style = {"color": colour(k), "fmt": MARKERS[k % len(MARKERS)], "markersize": 7, "capsize": 3}
                axes.errorbar(_count(own[0]), mean, sd, **style)
            counts = [_count(c) for c in here]
            axes.set_xlim(min(counts) / 1.6, max(counts) * 1.6)
            axes.margins(y=0.15)
        panels.append(Panel(data, f"{data}, n = {n}", panel[0]))
    caption = "Lower left is better. Bars: standard deviation over seeds; none with one seed."
    return _figure("parameters", "Parameters against loss", caption, panels, _legend(places, cells))


def ablation(versus: Sequence[Versus], measure_of: dict[str, str | None]) -> Figure | None:
    """For each control: how much better the whole method is, with its interval, by test score and validation loss."""
    panels = []
    for method, data, n in ordered((v.row, v.data, v.n) for v in versus):
        for measure in _both(measure_of.get(data)):
            here = [v for v in versus if (v.row, v.data, v.n, v.measure) == (method, data, n, measure)]
            panels += [_control_panel(here)] if here else []
    caption = (
        "Bars to the right: the whole method is better than with this one change. Lines: paired 95 % intervals. "
        "Coloured: decided (no interval, over samples or seeds, holds zero; p after Holm < 0.05); grey: not."
    )
    return _figure("ablation", "What each part contributes", caption, panels, [])


def _control_panel(versus: Sequence[Versus]) -> Panel:
    """One method against each of its controls by one measure; to the right is better, whatever the measure."""
    from matplotlib.ticker import MaxNLocator

    first = versus[0]
    title, sign = comparisons.title(first.measure), 1 if first.higher_is_better else -1
    words = f"{title}: {f'{first.row} minus control' if sign > 0 else f'control minus {first.row}'}"
    names = [v.other.removeprefix(f"{first.row}, ") for v in versus]
    where = f"{first.data}, n = {first.n}"
    with canvas(f"{words}, {where}", words, "", 1.1 + 0.36 * len(versus), 5.6) as (axes, panel):
        for k, v in enumerate(reversed(versus)):
            shade, alpha = (colour(0), 0.85) if v.decided else (LINE, 1.0)
            axes.barh(k, sign * v.result.difference, color=shade, height=0.62, alpha=alpha)
            if v.result.interval is not None:
                ends = [sign * end for end in v.result.interval]
                axes.plot(ends, (k, k), color=INK, linewidth=1.5, marker="|", markersize=7)
        axes.axvline(0, color=INK, linewidth=1)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_yticks(range(len(versus)), list(reversed(names)))
        axes.grid(axis="y", visible=False)
    return Panel(first.row, f"{first.row}, {where}, {title}", panel[0])


def noise(sweep: Sweep, measure_of: dict[str, str | None]) -> Figure | None:
    """Score and loss against the noise scale at exact expectations, and against the number of shots at each scale."""
    cells = [c for c in sweep.final() if c.done and set(c.variant) & {"noise_scale", "shots"}]
    names = ordered(_series(c) for c in cells)
    panels = []
    for data, n in ordered((c.data, c.n) for c in cells):
        here = [c for c in cells if (c.data, c.n) == (data, n)]
        exact = [c for c in here if "noise_scale" in c.variant and c.variant.get("shots") is None]
        for measure in _both(measure_of.get(data)):
            panels += _noise_panel(exact, "noise_scale", "noise scale", names, measure)
            for scale in ordered(c.variant.get("noise_scale") for c in here if c.variant.get("shots") is not None):
                sampled = [c for c in here if "shots" in c.variant and c.variant.get("noise_scale") == scale]
                words = "shots" if scale is None else f"shots, noise scale {scale:g}"
                panels += _noise_panel(sampled, "shots", words, names, measure)
    caption = "Means over seeds; bars: standard deviation over seeds. Scale 1 is the noise model as it is."
    return _figure("noise", "By noise scale and by shots", caption, panels, list(enumerate(names)))


def _noise_panel(cells: Sequence[Cell], key: str, words: str, names: list[str], measure: str) -> list[Panel]:
    """One picture of a score or a loss against ``variant[key]``; none where no cell has it."""
    if not any(_value(c, measure) is not None for c in cells):
        return []
    label, data = comparisons.title(measure), cells[0].data
    values = sorted({c.variant[key] for c in cells}, key=_amount)
    title = f"{label} by {words}, {data}, n = {cells[0].n}"
    with canvas(title, words, label) as (axes, panel):
        for name in ordered(_series(c) for c in cells):
            points = []
            for x, value in enumerate(values):
                own = [c for c in cells if _series(c) == name and c.variant[key] == value]
                if found := [s for c in own if (s := _value(c, measure)) is not None]:
                    points.append((value if key == "noise_scale" else x, *mean_sd(found)))
            if points:
                amounts, mean, sd = zip(*points, strict=True)
                k = names.index(name)
                spread = [s or 0 for s in sd] if any(sd) else None
                style = {"color": colour(k), "linestyle": dash(k), "marker": MARKERS[k % len(MARKERS)], "capsize": 3}
                axes.errorbar(amounts, mean, spread, **style)
        if key == "shots":
            axes.set_xticks(range(len(values)), ["exact" if v is None else str(v) for v in values])
    return [Panel(f"{data} {measure}", title, panel[0])]


def _both(score: str | None) -> list[str]:
    """The test score that sentences are about, where there is one, and the loss, which tells smaller differences."""
    return ([score] if score else []) + ["validation_loss"]


def _series(cell: Cell) -> str:
    """The cell's line in a picture of noise: its label and how it was trained."""
    rest = (describe(k, v) for k, v in sorted(cell.variant.items()) if k not in ("noise_scale", "shots"))
    return ", ".join([cell.label, *(words for words in rest if words not in cell.label)])


def _amount(value: Any) -> float:
    """A noise scale or number of shots as a number; ``exact`` and null come last."""
    return float(value) if isinstance(value, (int, float)) else float("inf")


def _value(cell: Cell, measure: str) -> float | None:
    return cell.loss(measure) if measure in comparisons.LOSSES else cell.score(measure)


def _figure(name: str, title: str, caption: str, panels: list[Panel], legend: list[tuple[int, str]]) -> Figure | None:
    for k, panel in enumerate(panels):
        panel.svg = own_names(panel.svg, f"{name}{k}")
    return Figure(name, title, caption, panels, legend) if panels else None


def _legend(places: dict[str, int], cells: Sequence[Cell]) -> list[tuple[int, str]]:
    shown = {c.row for c in cells}
    return [(k, row) for row, k in places.items() if row in shown]


def _count(cell: Cell) -> int:
    return cell.parameters.trainable if cell.parameters else 0
