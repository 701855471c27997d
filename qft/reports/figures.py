"""Pictures of a sweep as inline SVG whose colours are the page's own, so that one picture serves light and dark.

matplotlib draws with stand-in colours; each is replaced by a CSS variable (--ink, --line, --c0 ...). Text stays
text. Every panel is a picture of its own: the page's grid sets them side by side, or below each other on a phone.
"""

import html
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from qft.reports import comparisons, curve
from qft.reports.comparisons import Versus
from qft.reports.statistics import mean_sd
from qft.reports.sweep import Cell, Sweep, describe, ordered

SERIES = 8  # colours the page has: Okabe and Ito's, told apart by colour-blind readers
INK, LINE = "#010101", "#020202"
DASHES: list[tuple[float, ...]] = [(), (5, 1.5), (1.5, 1.2), (6, 1.5, 1.5, 1.5)]  # told apart without colour
MARKERS = "osD^vPX*"


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
        ends = [curve.running(c)[1] for c in cells if c.data == data]
        bottom, top = min(e.min() for e in ends if len(e)), max(np.percentile(e, 97) for e in ends if len(e))
        for n in sorted({c.n for c in cells if c.data == data}):
            here = [c for c in cells if (c.data, c.n) == (data, n)]
            with _panel(f"Train loss by step, {data}, n = {n}", "optimizer step", "train loss") as (axes, panel):
                for row in ordered(c.row for c in here):
                    runs = [curve.running(c) for c in here if c.row == row]
                    single |= len(runs) == 1
                    length = min(len(steps) for steps, _ in runs)
                    steps, losses = runs[0][0][:length], np.array([loss[:length] for _, loss in runs])
                    k = places[row]
                    axes.plot(steps, losses.mean(0), color=_colour(k), linestyle=_dash(k), linewidth=1.6)
                    if len(runs) > 1:
                        axes.fill_between(
                            steps, losses.min(0), losses.max(0), color=_colour(k), alpha=0.18, linewidth=0
                        )
                axes.set_ylim(bottom - 0.05 * (top - bottom), top)
            panels.append(Panel(data, f"{data}, n = {n}", panel[0]))
    caption = "Running mean of the train loss over a twentieth of the run; line: mean over seeds, band: their range."
    caption += " A row with one seed has no band." if single else ""
    return _figure("curves", "Training curves (the paper's Figure 3)", caption, panels, _legend(places, cells))


def parameters(sweep: Sweep) -> Figure | None:
    """Validation loss against trainable parameters."""
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    places, panels = colours(sweep), []
    cells = [c for c in sweep.plain() if c.done and c.record.get("parameters") and c.loss("validation_loss")]
    for data, n in ordered((c.data, c.n) for c in cells):
        here = [c for c in cells if (c.data, c.n) == (data, n)]
        with _panel(f"Parameters and loss, {data}, n = {n}", "trainable parameters", "validation loss") as (
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
                style = {"color": _colour(k), "fmt": MARKERS[k % len(MARKERS)], "markersize": 7, "capsize": 3}
                axes.errorbar(own[0].record["parameters"]["trainable"], mean, sd, **style)
            counts = [c.record["parameters"]["trainable"] for c in here]
            axes.set_xlim(min(counts) / 1.6, max(counts) * 1.6)
            axes.margins(y=0.15)
        panels.append(Panel(data, f"{data}, n = {n}", panel[0]))
    caption = "Lower left is better. Bars: standard deviation over seeds; none with one seed."
    return _figure("parameters", "Parameters against loss", caption, panels, _legend(places, cells))


def ablation(versus: Sequence[Versus], measure_of: dict[str, str | None]) -> Figure | None:
    """For each control: how much more the whole method scores, with its interval."""
    panels = []
    for method, data, n in ordered((v.row, v.data, v.n) for v in versus):
        here = [v for v in versus if (v.row, v.data, v.n, v.measure) == (method, data, n, measure_of.get(data))]
        if not here:
            continue
        words = f"{method} minus its control, {comparisons.title(here[0].measure)}"
        names = [v.other.removeprefix(f"{method}, ") for v in here]
        with _panel(f"{words}, {data}, n = {n}", words, "", 1.1 + 0.36 * len(here), 5.6) as (axes, panel):
            for k, v in enumerate(reversed(here)):
                colour = _colour(0) if v.result.decided else LINE
                axes.barh(k, v.result.difference, color=colour, height=0.62, alpha=0.85 if v.result.decided else 1)
                if v.result.interval is not None:
                    axes.plot(v.result.interval, (k, k), color=INK, linewidth=1.5, marker="|", markersize=7)
            axes.axvline(0, color=INK, linewidth=1)
            axes.set_yticks(range(len(here)), list(reversed(names)))
            axes.grid(axis="y", visible=False)
        panels.append(Panel("", f"{method}, {data}, n = {n}", panel[0]))
    caption = (
        "Bars to the right: the whole method scores more than with this one change. Lines: paired 95 % intervals. "
        "Coloured: decided (interval without zero and p after Holm < 0.05); grey: not."
    )
    return _figure("ablation", "What each part contributes", caption, panels, [])


def noise(sweep: Sweep, measure_of: dict[str, str | None]) -> Figure | None:
    """The score against the noise scale at exact expectations, and against the number of shots at each scale."""
    cells = [c for c in sweep.final() if c.done and set(c.variant) & {"noise_scale", "shots"}]
    names = ordered(_series(c) for c in cells)
    panels = []
    for data, n in ordered((c.data, c.n) for c in cells):
        here = [c for c in cells if (c.data, c.n) == (data, n)]
        exact = [c for c in here if "noise_scale" in c.variant and c.variant.get("shots") is None]
        panels += _noise_panel(exact, "noise_scale", "noise scale", data, names, measure_of)
        for scale in ordered(c.variant.get("noise_scale") for c in here if c.variant.get("shots") is not None):
            sampled = [c for c in here if "shots" in c.variant and c.variant.get("noise_scale") == scale]
            words = "shots" if scale is None else f"shots, noise scale {scale:g}"
            panels += _noise_panel(sampled, "shots", words, data, names, measure_of)
    caption = "Means over seeds; bars: standard deviation over seeds. Scale 1 is the noise model as it is."
    return _figure("noise", "By noise scale and by shots", caption, panels, list(enumerate(names)))


def _noise_panel(
    cells: Sequence[Cell], key: str, words: str, data: str, names: list[str], measure_of: dict[str, str | None]
) -> list[Panel]:
    """One picture of the score (or the validation loss) against ``variant[key]``; none without cells."""
    if not cells:
        return []
    measure = measure_of.get(data)
    label = comparisons.title(measure) if measure else "validation loss"
    values = sorted({c.variant[key] for c in cells}, key=_amount)
    title = f"{label} by {words}, {data}, n = {cells[0].n}"
    with _panel(title, words, label) as (axes, panel):
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
                style = {"color": _colour(k), "linestyle": _dash(k), "marker": MARKERS[k % len(MARKERS)], "capsize": 3}
                axes.errorbar(amounts, mean, spread, **style)
        if key == "shots":
            axes.set_xticks(range(len(values)), ["exact" if v is None else str(v) for v in values])
    return [Panel(data, title, panel[0])]


def _series(cell: Cell) -> str:
    """The cell's line in a picture of noise: its label and how it was trained."""
    rest = (describe(k, v) for k, v in sorted(cell.variant.items()) if k not in ("noise_scale", "shots"))
    return ", ".join([cell.label, *(words for words in rest if words not in cell.label)])


def _amount(value: Any) -> float:
    """A noise scale or number of shots as a number; ``exact`` and null come last."""
    return float(value) if isinstance(value, (int, float)) else float("inf")


def _value(cell: Cell, measure: str | None) -> float | None:
    return cell.score(measure) if measure else cell.loss("validation_loss")


def _figure(name: str, title: str, caption: str, panels: list[Panel], legend: list[tuple[int, str]]) -> Figure | None:
    for k, panel in enumerate(panels):
        panel.svg = _own_names(panel.svg, f"{name}{k}")
    return Figure(name, title, caption, panels, legend) if panels else None


def _legend(places: dict[str, int], cells: Sequence[Cell]) -> list[tuple[int, str]]:
    shown = {c.row for c in cells}
    return [(k, row) for row, k in places.items() if row in shown]


def _colour(k: int) -> str:
    return f"#0304{k % SERIES:02x}"


def _dash(k: int) -> Any:
    return (0, DASHES[k % len(DASHES)])


def dash_array(k: int) -> str:
    """The dashes of series ``k`` as SVG writes them."""
    return " ".join(f"{3 * d:g}" for d in DASHES[k % len(DASHES)]) or "none"


@contextmanager
def _panel(alt: str, x: str, y: str, height: float = 3.0, width: float = 4.2) -> Iterator[tuple[Any, list[str]]]:
    """Axes to draw on; the finished SVG is in the list after the block."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure as Canvas

    out: list[str] = []
    ink = {"text.color": INK, "axes.edgecolor": LINE, "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK}
    settings: dict[Any, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": "qft",
        "font.size": 10,
        "grid.color": LINE,
        **ink,
    }
    with matplotlib.rc_context(settings):
        figure = Canvas(figsize=(width, height), layout="constrained")
        axes = figure.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(linewidth=0.6)
        axes.set_axisbelow(True)
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        yield axes, out
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None, "Format": None})
    out.append(_themed(text.getvalue(), alt))


def _themed(svg: str, alt: str) -> str:
    """Only the <svg> element, sized by its frame, coloured and lettered by the page."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(
        r"<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.S
    )  # a style would be the whole page's
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', rf'\1 role="img" aria-label="{html.escape(alt)}"', svg, count=1)
    svg = svg.replace(INK, "var(--ink)").replace(LINE, "var(--line)")
    svg = re.sub(r"#0304(\d\d)", lambda m: f"var(--c{int(m[1], 16)})", svg)
    svg = re.sub(r"font-family: [^;\"]*;? ?", "", svg)
    return re.sub(r"\s*\n\s*", " ", svg)


def _own_names(svg: str, prefix: str) -> str:
    """Names inside one picture made unlike those of another on the same page."""
    svg = re.sub(r'\bid="', f'id="{prefix}-', svg)
    return re.sub(r'(url\(#|href="#)', rf"\1{prefix}-", svg)
