"""Size against result: every row by its trainable parameters, the front of those none beats, and what each costs."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

from qft.evaluation.metrics.base import Measure
from qft.reports.analysis import measures, pareto, words
from qft.reports.analysis.analysis import Analysis
from qft.reports.analysis.pareto import Point
from qft.reports.document import DASH, Entry, Figure, Panel, Section, Table
from qft.reports.render.labels import Box, place
from qft.reports.render.svg import INK, LINE, canvas, colour, figure
from qft.reports.sections.cost import seconds_a_step
from qft.reports.sections.entries import mean_over_seeds, measured, number, parameters, row_name
from qft.reports.sweep import Cell, Sweep, ordered

TITLE = "Size against result"
CAPTION = (
    "Parameters on a logarithmic axis; lower is better for a loss, higher for a score. Blue: the front, rows that no "
    "other beats in both; its line is the best mean at that size or below. Bars: standard deviation over seeds. A row "
    "far worse than the rest stands at the edge, with its value. The front is of means, and does not say how sure a "
    "step of it is; the comparisons above do."
)
NOTE = (
    "Circuit parameters: the trained angles of a circuit among the parameters. On the front: no other row has neither "
    "more parameters nor a worse mean and is better in one of the two."
)
FORGOTTEN = "Forgetting: loss on general text after fine-tuning, less that of the untuned base."
WIDTH, HEIGHT, LETTERS = 6.6, 4.7, 8.5  # of a picture in inches, of its names in points
NEAR = 9  # points; a name farther from its own has a line to it


def _adapter_bytes(cell: Cell) -> float | None:
    answered = cell.measured.generation
    return answered.adapter_bytes / 1e3 if answered and answered.adapter_bytes is not None else None


COSTS: list[tuple[str, int, Callable[[Cell], float | None]]] = [  # heading, digits, of a run
    ("s a step", 3, seconds_a_step),
    ("peak MB", 0, lambda c: c.training.peak_memory_mb if c.training else None),
    ("file kB", 1, _adapter_bytes),
]


def sections(analysis: Analysis) -> list[Section]:
    """Figure and table, where enough rows differ in size."""
    sweep = analysis.sweep
    if not pareto.compared(sweep):
        return []
    return [Section(TITLE, figure=partial(front_figure, sweep)), Section(TITLE, table(sweep), aside=False)]


def _groups(sweep: Sweep) -> list[tuple[str, int]]:
    return ordered((c.data, c.n) for c in sweep.plain() if c.parameters)


def _shown(sweep: Sweep, data: str) -> list[Measure]:
    """What sentences are about, the loss first."""
    return sorted(measures.shown(sweep, data), key=lambda measure: not measures.is_loss(measure))


def table(sweep: Sweep) -> Table:
    """A row a method, data set and n: size, results, forgetting and cost."""
    shown_measures = ordered(m for data, _ in _groups(sweep) for m in _shown(sweep, data))
    beside = [m for m in measures.losses(sweep) if m is measures.FORGETTING]
    rows = []
    for data, n in _groups(sweep):
        fronts = {m: {p.row for p in _front(sweep, m, data, n)} for m in shown_measures}
        group = [c for c in sweep.plain() if (c.data, c.n) == (data, n)]
        names = ordered(c.row for c in sorted(group, key=_place))
        for row in names:
            cells = [c for c in group if c.row == row]
            line = [row_name(sweep, row, data), Entry(data), number(n, 0), *parameters(cells), _circuit(cells)]
            line += [measured(cells, m) for m in (*shown_measures, *beside)]
            reached = [m.title for m in shown_measures if row in fronts[m]]
            line.append(Entry(", ".join(reached) or DASH))
            rows.append([*line, *(mean_over_seeds(cells, list(map(of, cells)), digits) for _, digits, of in COSTS)])
    columns = ["Row", "data", "n", "parameters", "of LoRA r=4", "circuit parameters"]
    columns += [*(m.title for m in (*shown_measures, *beside)), "on the front", *(heading for heading, *_ in COSTS)]
    notes = [NOTE, *([FORGOTTEN] if beside else [])]
    return Table("pareto", "Size, result and cost of every row", columns, rows, notes=notes)


def front_figure(sweep: Sweep) -> Figure | None:
    """Each measure against trainable parameters, for each data set and n."""
    panels = []
    for data, n in _groups(sweep):
        for measure in _shown(sweep, data):
            points = pareto.points(sweep, measure, data, n)
            if len(points) > 1:
                panels.append(_panel(points, measure, data, n))
    return figure("pareto-front", "Trainable parameters against loss and score", CAPTION, panels, scrolls=True)


def _panel(points: Sequence[Point], measure: Measure, data: str, n: int) -> Panel:
    """One measure on one data set at one n."""
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    title = f"{measure.title} by trainable parameters, {data}, n = {n}"
    best = pareto.on_front(points, measure)
    heights = pareto.drawn([p.mean for p in points], [p.mean for p in best], measure.higher_is_better)
    with canvas(title, "trainable parameters", f"{measure.title} ({measure.unit})", HEIGHT, WIDTH) as (axes, svg):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.xaxis.set_minor_formatter(NullFormatter())
        for point, height in zip(points, heights, strict=True):
            beyond = height != point.mean
            shape = ("v" if measure.higher_is_better else "^") if beyond else "o" if point in best else "s"
            shade = colour(0) if point in best else colour(6)
            spread = None if beyond else point.sd
            axes.errorbar(point.parameters, height, spread, color=shade, marker=shape, markersize=6, capsize=3)
        right = points[-1].parameters * 1.8
        corners = [*((p.parameters, p.mean) for p in best), (right, best[-1].mean)]
        axes.step(*zip(*corners, strict=True), where="post", color=colour(0), linewidth=1.2, zorder=1)
        axes.set_xlim(points[0].parameters / 1.8, right)
        axes.margins(y=0.12)
        _names(axes, points, heights, corners)
    return Panel(f"{data} n={n}", title, svg[0])


def _names(
    axes: Any, points: Sequence[Point], heights: Sequence[float], corners: Sequence[tuple[float, float]]
) -> None:
    """The row of each point beside it, with a line to it where there is no room near by."""
    picture = axes.figure
    picture.draw_without_rendering()  # fixes where the points are
    scale = 72 / picture.dpi  # points of a letter for a pixel

    def at(x: float, y: float) -> tuple[float, float]:
        a, b = axes.transData.transform((x, y))
        return scale * a, scale * b

    places = [at(p.parameters, h) for p, h in zip(points, heights, strict=True)]
    names = [_name(p, h) for p, h in zip(points, heights, strict=True)]
    sizes = [_size(axes, name, scale) for name in names]
    inside = axes.get_window_extent()
    frame = Box(*(scale * v for v in (inside.x0, inside.y0, inside.x1, inside.y1)))
    taken = [*_bars(points, heights, at), *_steps([at(*corner) for corner in corners])]
    for (x, y), name, box in zip(places, names, place(places, sizes, frame, taken), strict=True):
        edge = (min(max(x, box.left), box.right), min(max(y, box.bottom), box.top))
        if (edge[0] - x) ** 2 + (edge[1] - y) ** 2 > NEAR**2:
            line = {"arrowstyle": "-", "color": LINE, "linewidth": 1, "shrinkA": 0, "shrinkB": 4}
            axes.annotate("", (x, y), edge, xycoords="figure points", textcoords="figure points", arrowprops=line)
        middle = ((box.left + box.right) / 2, (box.bottom + box.top) / 2)
        axes.annotate(name, middle, xycoords="figure points", ha="center", va="center", fontsize=LETTERS, color=INK)


def _name(point: Point, height: float) -> str:
    """The row, with its value where the picture does not show it."""
    return point.row if height == point.mean else f"{point.row}: {words.minus(f'{point.mean:.3g}')}"


def _size(axes: Any, name: str, scale: float) -> tuple[float, float]:
    """Width and height of a name, in points, with a little air."""
    text = axes.text(0, 0, name, fontsize=LETTERS)
    box = text.get_window_extent()
    text.remove()
    return scale * box.width + 2, scale * box.height + 1


At = Callable[[float, float], tuple[float, float]]  # a place in the data -> in points of the picture


def _bars(points: Sequence[Point], heights: Sequence[float], at: At) -> list[Box]:
    """What the error bars cover."""
    boxes = []
    for point, height in zip(points, heights, strict=True):
        if point.sd and height == point.mean:
            (x, low), (_, high) = (at(point.parameters, point.mean + way * point.sd) for way in (-1, 1))
            boxes.append(Box(x - 3, low, x + 3, high))
    return boxes


def _steps(corners: Sequence[tuple[float, float]]) -> list[Box]:
    """What the line of the front covers: to the right, then up or down."""
    boxes = []
    for (x, y), (right, end) in pairwise(corners):
        boxes.append(Box(x, y - 1, right, y + 1))
        boxes.append(Box(right - 1, min(y, end), right + 1, max(y, end)))
    return boxes


def _front(sweep: Sweep, measure: Measure, data: str, n: int) -> list[Point]:
    return pareto.on_front(pareto.points(sweep, measure, data, n), measure)


def _place(cell: Cell) -> float:
    """The base first, then by size; what has not been trained last."""
    size = cell.parameters.trainable if cell.parameters else float("inf")
    return 0 if cell.role == "base" else size


def _circuit(cells: Sequence[Cell]) -> Entry:
    known = next((c.parameters.circuit for c in cells if c.parameters), None)
    return Entry(DASH) if known is None else Entry(f"{known:,}", known)
