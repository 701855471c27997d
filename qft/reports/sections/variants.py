"""Controls and noise in numbers: losses and scores of every row that is not a plain method, beside the plain one."""

from qft.reports.analysis import measures
from qft.reports.analysis.analysis import Analysis
from qft.reports.document import Entry, Section, Table
from qft.reports.sections.entries import measured, number, parameters, row_name
from qft.reports.sweep import Sweep, ordered


def sections(analysis: Analysis) -> list[Section]:
    """The table, where a row changes its method."""
    made = table(analysis.sweep)
    return [Section("Controls and noise in numbers", made, aside=False)] if made else []


def table(sweep: Sweep) -> Table | None:
    """A row a changed method and a plain one beside it; a column a loss or score."""
    changed = [c for c in sweep.final() if c.variant]
    if not changed:
        return None
    methods = {(c.adapter, c.data, c.n) for c in changed}
    shown = [*measures.losses(sweep), *measures.scores(sweep)]
    rows = []
    for group in ordered(c.group for c in sweep.final() if (c.adapter, c.data, c.n) in methods):
        cells = sweep.of(group)
        line = [row_name(sweep, group[0], group[1]), Entry(group[1]), number(group[2], 0), parameters(cells)[0]]
        rows.append([*line, *(measured(cells, measure) for measure in shown)])
    columns = ["Row", "data", "n", "parameters", *(measure.title for measure in shown)]
    notes = ["Mean ± standard deviation over seeds; a cell with one seed shows none."]
    return Table("variants", "Losses and scores of every changed row", columns, rows, notes=notes)
