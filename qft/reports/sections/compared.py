"""Runs held against each other, as sections: what they are, the differences, curves over each other, answers."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from qft.records import RunDirectory
from qft.reports import answers
from qft.reports.analysis import measures, words
from qft.reports.analysis.comparisons import Comparison
from qft.reports.compare import Compared
from qft.reports.document import DASH, Entry, Figure, Panel, Section, SideBySide, Table
from qft.reports.render.svg import canvas, colour, dash, figure, whole_steps
from qft.reports.sections.entries import bounds, number, parameters
from qft.reports.sweep import Cell, Sweep
from qft.training.curve import running_mean

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of a run, at which the table of the curve stands
CURVE = "Running mean of the train loss over a twentieth of the run, nats per token."


def sections(compared: Compared) -> list[Section]:
    """All of a comparison, in the order of its page."""
    beside = side_by_side(compared)
    return [
        Section("In short", notes=[*sentences(compared), *compared.notes]),
        Section("The runs", runs_table(compared.sweep)),
        Section("Differences", differences_table(compared)),
        Section("Training", curve_table(compared.sweep), figure=partial(curves_figure, compared.sweep)),
        *([Section("Answers side by side", answers=beside)] if beside else []),
    ]


def sentences(compared: Compared) -> list[str]:
    """The differences by the measures that sentences are about."""
    main = measures.main(compared.sweep)
    return [sentence(c) for c in compared.differences if c.measure in main]


def sentence(c: Comparison) -> str:
    """``qwthn against lora, held-out loss: +0.21 nats per token [+0.15, +0.27] over 256 items and 1 seed.``"""
    digits = c.measure.digits
    found = f"{words.signed(c.verdict.estimate, digits)} {c.measure.unit} {words.interval(c.interval, digits)}"
    seeds = f"{c.seeds} seed" if c.seeds == 1 else f"{c.seeds} seeds"
    verdict = "" if c.word == "descriptive" else f" Verdict: {c.verdict.word}."
    return f"{c.row} against {c.other}, {c.measure.title}: {found} over {c.items} items and {seeds}.{verdict}"


def runs_table(sweep: Sweep, main: bool = False) -> Table:
    """A row a run; ``main``: of the scores only those that sentences are about."""
    scores = [m for m in measures.scores(sweep) if not main or m in measures.main(sweep)]
    shown = [*measures.losses(sweep), *scores]
    rows = []
    for c in sweep.cells:
        trained = c.training
        line = [Entry(c.row), Entry(c.name), Entry(c.data or DASH), number(c.n or None, 0), number(c.seed, 0)]
        line += [parameters([c])[0], Entry(DASH) if trained is None or trained.lr is None else _rate(trained.lr)]
        line += [number(trained.steps if trained else None, 0), number(trained.seconds if trained else None, 0)]
        rows.append([*line, *(number(measures.value(c, m), m.digits) for m in shown)])
    columns = ["Row", "run", "data", "n", "seed", "parameters", "lr", "steps", "seconds", *(m.title for m in shown)]
    return Table("compared-runs", "What is compared; the first row is the reference", columns, rows)


def _rate(lr: float) -> Entry:
    return Entry(f"{lr:g}", lr)


def differences_table(compared: Compared, short: bool = False) -> Table:
    """A row a pair and measure; what sentences are about first, or with ``short`` that alone, and other losses."""
    main = measures.main(compared.sweep)
    ranked = sorted(compared.differences, key=lambda c: c.measure not in main)
    rows = [_difference(c) for c in ranked if not short or c.measure in main or measures.is_loss(c.measure)]
    columns = ["Row", "against", "measure", "row's", "reference's", "difference", "interval", "verdict"]
    columns += ["what would help", "P(better)", "items", "seeds"]
    level = f"{max((c.planned for c in ranked), default=1)}"
    notes = [
        f"Difference: the row minus the reference, paired over items; its interval is simultaneous over {level} "
        "comparisons. P(better): share of items on which the row is better, ties half. docs/statistics.md."
    ]
    return Table("differences", f"Differences from {compared.rows[0]}", columns, rows, notes=notes)


def _difference(c: Comparison) -> list[Entry]:
    digits = c.measure.digits
    return [
        Entry(c.row),
        Entry(c.other),
        Entry(c.measure.title, hint=c.measure.unit),
        number(c.mean, digits),
        number(c.other_mean, digits),
        number(c.verdict.estimate, digits, signed=True),
        bounds(c.interval, digits),
        Entry(c.verdict.word, bold=c.word == "better"),
        Entry(c.verdict.help or DASH),
        number(None if c.items == 1 else c.improvement, 2),
        number(c.items, 0),
        number(c.seeds, 0),
    ]


def curve_table(sweep: Sweep) -> Table | None:
    """The train loss at five places of each run."""
    rows = []
    for c in sweep.cells:
        steps, losses = running_mean(c.history)
        if len(steps):
            places = [round(share * (len(steps) - 1)) for share in SHARES]
            rows.append([Entry(c.row), Entry(c.name), *(number(float(losses[k]), 3) for k in places)])
    if not rows:
        return None
    columns = ["Row", "run", "first step", "25 %", "50 %", "75 %", "last step"]
    return Table("curve", "Train loss through the run", columns, rows, notes=[CURVE])


def curves_figure(sweep: Sweep) -> Figure | None:
    """Train and validation loss by step, all rows over each other; a line a run."""
    cells = [c for c in sweep.cells if len(running_mean(c.history)[0])]
    if not cells:
        return None
    rows = list(dict.fromkeys(c.row for c in cells))
    panels = [_curves(cells, rows, validation) for validation in (False, True)]
    legend = [(k, row) for k, row in enumerate(rows)]
    caption = f"{CURVE} Validation loss where it was taken. A line a run; runs of one row have one colour."
    return figure("compared-curves", "Curves over each other", caption, panels, legend, wide=True)


def _curves(cells: Sequence[Cell], rows: Sequence[str], validation: bool) -> Panel:
    title = f"{measures.VALIDATION.title if validation else measures.TRAIN.title} by step"
    with canvas(title, "optimizer step", "nats per token", 3.2, 5.6) as (axes, svg):
        tops = []
        for c in cells:
            if validation:
                known = [(r.step, r.validation_loss) for r in c.history if r.validation_loss is not None]
                steps, losses = np.array(known, dtype=float).reshape(-1, 2).T
            else:
                steps, losses = running_mean(c.history)
            k = rows.index(c.row)
            marker = "o" if validation else None
            axes.plot(steps, losses, color=colour(k), linestyle=dash(k), linewidth=1.6, marker=marker, markersize=4)
            tops.append(np.percentile(losses, 97) if len(losses) else 0.0)
        whole_steps(axes)
    return Panel("curves", title, svg[0])


def side_by_side(compared: Compared, count: int = 6) -> SideBySide | None:
    """Answers of the first run of every row, and of the base where one run has them; None without answers."""
    cells = {c.row: c for c in reversed(compared.sweep.cells)}
    runs = {row: RunDirectory(compared.folders[cells[row].name]) for row in compared.rows}
    given = {row: run.predictions() for row, run in runs.items()}
    name = next((m.name for m in measures.main(compared.sweep) if not measures.is_loss(m)), None)
    scored = {row: cells[row].scores.get(name, {}) for row in given} if name else {}
    with_base = next((run for run in runs.values() if (run / "base_predictions.jsonl").is_file()), None)
    if with_base and "base" not in given:
        given["base"] = with_base.predictions(base=True)
        scored |= {"base": answers.score_of(with_base.scores(base=True), name)} if name else {}
    given = {row: rows for row, rows in given.items() if rows}
    title = next((m.title for m in measures.scores(compared.sweep) if m.name == name), "")
    samples = answers.side_by_side(given, scored, title, count)
    rows = list(given)
    return SideBySide("answers", "The same questions", rows, (rows[0], rows[1]), samples) if len(rows) > 1 else None
