"""Tables I and II and the survey's Table 3 in the papers' own layout, measured beside published, never mixed.

Both kinds are one pivot: a row a method, and a column for each measure and n, followed by what a paper prints of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from qft.evaluation import metrics
from qft.evaluation.metrics.base import Measure
from qft.names import slug
from qft.reports.analysis import measures, published
from qft.reports.analysis.analysis import Analysis
from qft.reports.analysis.comparisons import Comparison
from qft.reports.analysis.published import Method, Paper, Printed, Scores
from qft.reports.document import DASH, Entry, Section, Table
from qft.reports.sections.entries import measured, parameters, row_name
from qft.reports.sweep import Cell, Sweep, ordered

TITLE = "The papers' tables"
ONE_SEED = "A cell with one seed has no deviation over seeds and shows none."
BOLD = "Bold: better than LoRA r=4, by the verdict under 'Against LoRA'."
MEANS = "Train loss: mean over the run. Validation loss: per token, at the last step; it chose the learning rate."
VARIANT = (
    "BLEU-4 and ROUGE without the name of a variant are the ..._llamafactory variants (character BLEU-4, "
    "rouge-chinese F1 on jieba words, averaged over samples), the way published tables of this kind are usually made."
)
APART = "Published numbers come from other bases, so the two sides are not comparable."
TWO = "Two published values: the paper's table and its text differ; both are shown."
SIZES = {300: "Small (300)", 600: "Medium (600)", 1000: "Full (1000)"}
LOSS_HEADINGS = {
    measures.TRAIN: "train",
    measures.VALIDATION: "val",
    measures.HELDOUT: "held out",
    measures.FORGETTING: "forgetting",
}
FORGETTING = "Forgetting: loss on general text after fine-tuning, less that of the untuned base."


@dataclass(frozen=True)
class Column:
    """What is measured at one n and, beside it, what a paper prints of each of its methods; None: it prints nothing."""

    group: str
    heading: str
    measure: Measure
    n: int
    printed: dict[str, Printed] | None = None
    printed_heading: str = "published"
    digits: int | None = None  # of printed numbers; None: as many as they have


def sections(analysis: Analysis) -> list[Section]:
    """One table a data set for losses, one a data set and n for scores."""
    made = [*loss_tables(analysis.sweep, analysis.lora), *score_tables(analysis.sweep, analysis.lora)]
    taken: list[str] = []
    for table in made:  # names are made of those of data sets: here they become unique file names and ids
        table.name = slug(table.name, taken)
        taken.append(table.name)
    return [Section(TITLE, table, aside=False) for table in made]


def loss_tables(sweep: Sweep, compared: Sequence[Comparison]) -> list[Table]:
    """Table I, one table a data set: train and validation loss at each n, measured beside published."""
    paper = published.paper_of(sweep)
    out = []
    for data in ordered(c.data for c in sweep.plain()):
        cells = [c for c in sweep.plain() if c.data == data]
        block = paper.losses_of(data)
        columns = []
        for n in sorted({c.n for c in cells}):
            group, given = SIZES.get(n, f"n = {n}"), block.cells.get(n) if block else None
            for k, measure in enumerate(measures.losses(sweep)):
                heading, known = LOSS_HEADINGS[measure], given if measure in measures.LOSSES else None
                printed: dict[str, Printed] | None = {m: values[k] for m, values in known.items()} if known else None
                columns.append(Column(group, heading, measure, n, printed, f"{heading}, published", 3))
        notes = [f"{MEANS} {BOLD} {ONE_SEED}"]
        notes += [FORGETTING] if measures.FORGETTING in measures.losses(sweep) else []
        if block:
            notes += [_source(paper, paper.losses_in, block.name), f"Measured on: {sweep.read_from(data)}."]
        else:
            notes.append("The papers print no losses for this dataset.")
        title = f"Train and validation loss, {data}{f' ({paper.losses_in})' if block else ''}"
        beside = paper if block else None
        out.append(Table(f"losses-{data}", title, *_pivot(sweep, cells, columns, compared, paper, beside), notes))
    return out


def score_tables(sweep: Sweep, compared: Sequence[Comparison]) -> list[Table]:
    """Table II or the survey's Table 3, one table a data set and n: test scores, measured beside published."""
    paper = published.paper_of(sweep)
    out = []
    for data, n in ordered((c.data, c.n) for c in sweep.plain()):
        cells = [c for c in sweep.plain() if (c.data, c.n) == (data, n)]
        computed = {name for c in cells for name in c.measured.test}
        if not computed:
            continue
        block = paper.scores_of(data)
        beside = [
            m
            for column in (block.metrics if block else ())
            for m in metrics.measures().values()
            if m.published == column
        ]
        shown = ordered([*beside, *(m for m in measures.scores(sweep) if m.name in computed)])
        columns = [_score_column(measure, n, block) for measure in shown]
        title = f"Test scores, {data}, n = {n}{f' ({paper.scores_in})' if block else ''}"
        heads, rows, groups = _pivot(sweep, cells, columns, compared, paper, paper if block else None)
        notes = _score_notes(sweep, data, shown, block)
        out.append(Table(f"scores-{data}-n{n}", title, heads, rows, groups if block else [], notes))
    return out


def _score_column(measure: Measure, n: int, block: Scores | None) -> Column:
    if block is None:
        return Column(measure.title, measure.title, measure, n)
    printed = block.column(measure.published) if measure.published in block.metrics else None
    return Column(measure.title, "measured", measure, n, printed)


def _score_notes(sweep: Sweep, data: str, shown: Sequence[Measure], block: Scores | None) -> list[str]:
    paper = published.paper_of(sweep)
    notes = [f"{BOLD} {ONE_SEED}"]
    if block is None:
        notes.append("The papers print no scores for this dataset.")
    if any(measure.name.endswith("_llamafactory") for measure in shown):
        notes.append(VARIANT)
    if block is not None:
        notes += [] if sweep.as_published else [APART]
        notes += [_source(paper, paper.scores_in, block.name), *paper.unsaid, f"Measured on: {sweep.read_from(data)}."]
        if any(isinstance(value, list) for values in block.cells.values() for value in values):
            notes.append(TWO)
    return notes


def _pivot(
    sweep: Sweep,
    cells: Sequence[Cell],
    columns: Sequence[Column],
    compared: Sequence[Comparison],
    paper: Paper,
    beside: Paper | None,
) -> tuple[list[str], list[list[Entry]], list[tuple[str, int]]]:
    """Headings, rows and groups of a table: a row a method of ``cells``, the published number beside each measured one.

    Args:
        cells: of one data set.
        paper: whose ratio of parameters is shown; ``beside``: the same where it prints this table, else None.
    """
    first = ["Model", "parameters", f"of {paper.ratio_to}"]
    if beside:
        first = ["Model", "parameters", "parameters, published", f"of {paper.ratio_to}", "ratio, published"]
    heads = [[c.heading] if c.printed is None else [c.heading, c.printed_heading] for c in columns]
    groups = [("", len(first))]
    for group, members in groupby(zip(columns, heads), key=lambda pair: pair[0].group):
        groups.append((group, sum(len(names) for _, names in members)))
    better = {(c.row, c.data, c.n, c.measure) for c in compared if c.word == "better"}
    rows = []
    for row in ordered(c.row for c in cells):
        runs = [c for c in cells if c.row == row]
        method = beside.method(runs[0]) if beside else None
        data = runs[0].data
        everywhere = [c for c in sweep.plain() if (c.row, c.data) == (row, data)]  # parameters are those of any n
        line = [row_name(sweep, row, data, _name(row, method)), *_first(everywhere, method, paper, beside)]
        for column in columns:
            bold = (row, data, column.n, column.measure) in better
            line.append(measured([c for c in runs if c.n == column.n], column.measure, bold))
            if column.printed is not None:
                line.append(_printed(column.printed.get(method.name) if method else None, column.digits))
        rows.append(line)
    return first + [name for names in heads for name in names], rows, groups


def _first(cells: Sequence[Cell], method: Method | None, paper: Paper, beside: Paper | None) -> list[Entry]:
    """Parameters and ratio: the survey's is to all of the base's weights, the other paper's to LoRA r=4."""
    count, ratio = parameters(cells)
    known = next((c.parameters for c in cells if c.parameters), None)
    if paper.ratio_to == "all weights" and known is not None:
        share = known.trainable / known.base
        ratio = Entry(f"{100 * share:.2f} %", share)
    if beside is None:
        return [count, ratio]
    words = (method.parameters, method.ratio.replace("%", " %")) if method else (DASH, DASH)
    return [count, Entry(words[0], kind="published"), ratio, Entry(words[1], kind="published")]


def _name(row: str, method: Method | None) -> str:
    return f"{row} (paper: {method.name})" if method and method.name.lower() != row.lower() else row


def _printed(value: Printed | None, digits: int | None) -> Entry:
    """A published value with so many decimals, or as many as it has."""
    if value is None:
        return Entry(DASH, kind="published", hint="the paper prints none")
    first = value[0] if isinstance(value, list) else value
    text = published.as_text(value) if digits is None else f"{first:.{digits}f}"
    return Entry(text, float(first), kind="published")


def _source(paper: Paper, where: str, block: str) -> str:
    return f"Published: {paper.source}, {where}, {block}; base {paper.model}."
