"""Training: curves, what was gained over LoRA and how fast, and parameters against loss."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from qft.evaluation.metrics.base import Measure
from qft.reports.analysis import measures, pareto
from qft.reports.analysis.analysis import Analysis
from qft.reports.analysis.convergence import percent_of_steps
from qft.reports.document import DASH, Entry, Figure, Panel, Section, Table
from qft.reports.render.svg import MARKERS, canvas, colour, dash, figure, hint, whole_steps
from qft.reports.sections.entries import mean_over_seeds, number, row_name
from qft.reports.sweep import Cell, Sweep, is_lora, ordered
from qft.statistics.summary import mean_sd
from qft.training.curve import running_mean

TITLE = "Training"
BESIDE = 1.12  # of a mean's place on the logarithmic axis: where its seeds stand
ROOM = 0.06  # of the range of losses: how far two numbers of seeds must lie apart
STEPS = (
    "Loss reduction in percent of LoRA r=4's loss of the same seed; negative: the loss is higher than LoRA's. "
    "Steps: first step at which the running mean of the train loss (a twentieth of the run) is at or below LoRA's "
    "last one, in percent of the steps after which LoRA itself first was. Published: up to 15 % lower train loss, "
    "and in certain scenarios convergence faster by 20 %."
)


def sections(analysis: Analysis) -> list[Section]:
    """Curves, the loss reduction, and parameters against loss."""
    sweep = analysis.sweep
    curves = [Section(TITLE, figure=partial(curves_figure, sweep)), Section(TITLE, reduction_table(sweep))]
    # many rows have a larger picture of their own
    return curves if pareto.compared(sweep) else [*curves, Section(TITLE, figure=partial(parameters_figure, sweep))]


def curves_figure(sweep: Sweep) -> Figure | None:
    """Figure 3 of the paper: train loss by step for each dataset and n, with the range over seeds as a band."""
    places, panels, single = _colours(sweep), [], False
    cells = [c for c in sweep.plain() if c.done and c.history]
    for data in ordered(c.data for c in cells):
        ends = [e[np.isfinite(e)] for e in (running_mean(c.history)[1] for c in cells if c.data == data)]
        bottom = min((e.min() for e in ends if len(e)), default=0.0)
        top = max((np.percentile(e, 97) for e in ends if len(e)), default=1.0)
        for n in sorted({c.n for c in cells if c.data == data}):
            group = [c for c in cells if (c.data, c.n) == (data, n)]
            single |= 1 in Counter(c.row for c in group).values()
            panels.append(_curves(group, places, (float(bottom), float(top))))
    caption = "Running mean of the train loss over a twentieth of the run; line: mean over seeds, band: their range."
    caption += " A row with one seed has no band." if single else ""
    return figure("curves", "Training curves (the paper's Figure 3)", caption, panels, _legend(places, cells))


def _curves(cells: Sequence[Cell], places: dict[str, int], loss_range: tuple[float, float]) -> Panel:
    """The rows of one data set and n."""
    data, n = cells[0].data, cells[0].n
    bottom, top = loss_range
    words = f"{measures.TRAIN.title} ({measures.TRAIN.unit})"
    with canvas(f"Train loss by step, {data}, n = {n}", "optimizer step", words) as (axes, svg):
        for row in ordered(c.row for c in cells):
            runs = [running_mean(c.history) for c in cells if c.row == row]
            length = min(len(steps) for steps, _ in runs)
            steps, losses = runs[0][0][:length], np.array([loss[:length] for _, loss in runs])
            k = places[row]
            axes.plot(steps, losses.mean(0), color=colour(k), linestyle=dash(k), linewidth=1.6)
            if len(runs) > 1:
                axes.fill_between(steps, losses.min(0), losses.max(0), color=colour(k), alpha=0.18, linewidth=0)
        whole_steps(axes)
        if top > bottom:  # runs of a single step have one loss
            axes.set_ylim(bottom - 0.05 * (top - bottom), top)
    return Panel(data, f"{data}, n = {n}", svg[0])


def parameters_figure(sweep: Sweep) -> Figure | None:
    """Validation loss against trainable parameters."""
    places = _colours(sweep)
    cells = [c for c in sweep.plain() if c.done and c.parameters and c.loss(measures.VALIDATION.name)]
    groups = ordered((c.data, c.n) for c in cells)
    panels = [_parameters([c for c in cells if (c.data, c.n) == group], places) for group in groups]
    caption = "Lower left is better. Bars: standard deviation over seeds; none with one seed. Rings: the seeds, each "
    caption += "named by its number where there is room, and by its row and loss when it is pointed at."
    return figure("parameters", "Parameters against loss", caption, panels, _legend(places, cells))


def _parameters(cells: Sequence[Cell], places: dict[str, int]) -> Panel:
    """The rows of one data set and n."""
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    data, n, loss = cells[0].data, cells[0].n, measures.VALIDATION
    words = f"{loss.title} ({loss.unit})"
    with canvas(f"Parameters and loss, {data}, n = {n}", "trainable parameters", words) as (axes, svg):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.xaxis.set_minor_formatter(NullFormatter())
        losses = [c.loss(loss.name) or 0.0 for c in cells]
        for row in ordered(c.row for c in cells):
            runs = [c for c in cells if c.row == row]
            mean, sd = mean_sd([c.loss(loss.name) or 0.0 for c in runs])
            k = places[row]
            style = {"color": colour(k), "fmt": MARKERS[k % len(MARKERS)], "markersize": 7, "capsize": 3}
            axes.errorbar(_trainable(runs[0]), mean, sd, **style)
            if len(runs) > 1:
                _seeds(axes, row, runs, colour(k), ROOM * (max(losses) - min(losses)))
        counts = [_trainable(c) for c in cells]
        axes.set_xlim(min(counts) / 1.6, max(counts) * 1.6)
        axes.margins(y=0.15)
    return Panel(data, f"{data}, n = {n}", svg[0])


def _seeds(axes: Any, row: str, runs: Sequence[Cell], shade: str, room: float) -> None:
    """A ring a seed, a little to the right of their mean, with its number if it is ``room`` above the last."""
    last = -float("inf")
    for cell in sorted(runs, key=lambda c: c.loss(measures.VALIDATION.name) or 0.0):
        x, value = _trainable(cell) * BESIDE, cell.loss(measures.VALIDATION.name) or 0.0
        (ring,) = axes.plot([x], [value], marker="o", markersize=4, markerfacecolor="none", color=shade, linestyle="")
        ring.set_gid(hint(f"{row}, seed {cell.seed}: {value:.4g}"))
        if value - last >= room:
            axes.annotate(f"{cell.seed}", (x, value), (4, 0), textcoords="offset points", fontsize=7, va="center")
            last = value


def reduction_table(sweep: Sweep) -> Table | None:
    """Percent loss reduction and share of LoRA's steps needed to reach LoRA's final loss, paired by seed."""
    rows = []
    for data, n in ordered((c.data, c.n) for c in sweep.plain()):
        group = [c for c in sweep.plain() if (c.data, c.n) == (data, n) and c.role != "base"]
        lora = {c.seed: c for c in group if is_lora(c) and c.done}
        for row in ordered(c.row for c in group if not is_lora(c)):
            name = row_name(sweep, row, data)
            rows.append([name, *_reduction([c for c in group if c.row == row], lora)])
    if not rows or not any(is_lora(c) for c in sweep.plain()):
        return None
    columns = ["Row", "data", "n", "train loss, run mean", "train loss, last epoch", "validation loss"]
    columns += ["steps to LoRA's final loss", "seeds that reach it"]
    title = "Loss reduction against LoRA r=4, and steps to its final loss"
    return Table("reduction", title, columns, rows, notes=[STEPS])


def _reduction(cells: Sequence[Cell], lora: dict[int, Cell]) -> list[Entry]:
    """One row of the table behind its name; ``lora``: seed -> LoRA's finished run."""
    pairs = [(c, lora.get(c.seed) if c.done else None) for c in cells]
    line = [Entry(cells[0].data), number(cells[0].n, 0)]
    for measure in (measures.TRAIN, measures.FINAL_EPOCH, measures.VALIDATION):
        less = [_less(c, other, measure) if other else None for c, other in pairs]
        line.append(mean_over_seeds(cells, less, 1, unit=" %"))
    steps = [percent_of_steps(c, other) if other else None for c, other in pairs]
    reached, compared = sum(s is not None for s in steps), sum(other is not None for _, other in pairs)
    never = compared and not reached
    line.append(Entry("never", kind="number") if never else mean_over_seeds(cells, steps, 0, unit=" %"))
    line.append(Entry(f"{reached} of {compared}", reached / compared) if compared else Entry(DASH))
    return line


def _less(cell: Cell, lora: Cell, measure: Measure) -> float | None:
    """By how many percent a loss is lower than LoRA's."""
    loss, of_lora = cell.loss(measure.name), lora.loss(measure.name)
    return None if loss is None or not of_lora else 100 * (of_lora - loss) / of_lora


def _trainable(cell: Cell) -> int:
    return cell.parameters.trainable if cell.parameters else 0


def _colours(sweep: Sweep) -> dict[str, int]:
    """Row -> place among the colours, the same in every picture of a page."""
    rows = ordered(c.row for c in [*sweep.plain(), *sweep.final()] if c.role != "base")
    return {row: k for k, row in enumerate(rows)}


def _legend(places: dict[str, int], cells: Sequence[Cell]) -> list[tuple[int, str]]:
    shown = {c.row for c in cells}
    return [(k, row) for row, k in places.items() if row in shown]
