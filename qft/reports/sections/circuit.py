"""What does the circuit contribute? The answers, and each method against its controls."""

from collections.abc import Sequence
from functools import partial

from qft.evaluation.metrics.base import Measure
from qft.reports.analysis import contribution, measures
from qft.reports.analysis.analysis import Analysis
from qft.reports.analysis.comparisons import Comparison
from qft.reports.document import Figure, Panel, Section
from qft.reports.render.svg import INK, LINE, canvas, colour, figure
from qft.reports.sections import verdicts
from qft.reports.sweep import ordered

TITLE = "What does the circuit contribute?"
CAPTION = (
    "Bars to the right: the whole method is better than with this one change. Lines: intervals over items and seeds, "
    "simultaneous over the comparisons planned. Coloured: told apart; grey: equal, undecided or without a verdict."
)


def sections(analysis: Analysis) -> list[Section]:
    """The answers in a sentence each, and the controls."""
    answers, controls = analysis.answers, analysis.controls
    sentences = [a.sentence for a in answers] if len(answers) > 1 else []
    lead = Section(TITLE, lead=contribution.headline(answers), notes=sentences)
    shown = {data: measures.shown(analysis.sweep, data) for data in {c.data for c in controls}}
    draw = partial(controls_figure, controls, shown)
    title = "Each method against its controls"
    return [lead, *verdicts.section(analysis, controls, TITLE, "controls", title, "control", draw)]


def controls_figure(compared: Sequence[Comparison], shown: dict[str, list[Measure]]) -> Figure | None:
    """For each control: how much better the whole method is, with its interval; ``shown``: data set -> measures."""
    panels = []
    for method, data, n in ordered((c.row, c.data, c.n) for c in compared):
        for measure in shown[data]:
            against = [c for c in compared if (c.row, c.data, c.n, c.measure) == (method, data, n, measure)]
            panels += [_panel(against)] if against else []
    return figure("ablation", "What each part contributes", CAPTION, panels, wide=True)


def _panel(compared: Sequence[Comparison]) -> Panel:
    """One method against each of its controls by one measure; to the right is better, whatever the measure."""
    from matplotlib.ticker import MaxNLocator

    first = compared[0]
    title, sign = first.measure.title, 1 if first.measure.higher_is_better else -1
    words = f"{title}: {f'{first.row} minus control' if sign > 0 else f'control minus {first.row}'}"
    names = [c.other.removeprefix(f"{first.row}, ") for c in compared]
    where = f"{first.data}, n = {first.n}"
    with canvas(f"{words}, {where}", words, "", 1.1 + 0.36 * len(compared), 5.6) as (axes, svg):
        for k, c in enumerate(reversed(compared)):
            shade, alpha = (colour(0), 0.85) if c.decided else (LINE, 1.0)
            axes.barh(k, sign * c.verdict.estimate, color=shade, height=0.62, alpha=alpha)
            if c.interval is not None:
                ends = [sign * end for end in c.interval]
                axes.plot(ends, (k, k), color=INK, linewidth=1.5, marker="|", markersize=7)
        axes.axvline(0, color=INK, linewidth=1)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_yticks(range(len(compared)), list(reversed(names)))
        axes.grid(axis="y", visible=False)
    return Panel(first.row, f"{first.row}, {where}, {title}", svg[0])
