"""Sizes: what the budget made of each row, and the rows that no setting brings within it."""

from qft.reports.analysis.analysis import Analysis
from qft.reports.document import DASH, Entry, Section, Table
from qft.reports.sections.entries import number, row_name
from qft.reports.sweep import Sweep


def sections(analysis: Analysis) -> list[Section]:
    """The table, where the sweep has a budget."""
    return [Section("Sizes within the budget", table(analysis.sweep))]


def table(sweep: Sweep) -> Table | None:
    """A line a row and data set, those that were left out last."""
    sized = {(c.row, c.data): c.size for c in sweep.final() if c.size is not None}
    rows = [
        [
            row_name(sweep, row, data),
            Entry(data),
            number(size.budget, 0),
            Entry(f"{size.option}={size.value}", size.value, kind="code"),
            number(size.trainable, 0),
            Entry(f"{100 * size.trainable / size.budget:.1f} %", size.trainable / size.budget),
        ]
        for (row, data), size in sized.items()
    ]
    for row in sweep.left_out:
        out = Entry("left out", kind="failed", hint=row.why)
        rows.append([Entry(row.label), Entry(row.data), number(row.budget, 0), Entry(DASH), out, Entry(DASH)])
    if not rows:
        return None
    notes = ["The largest number of parameters within the budget, over all values of one option of each method."]
    notes += [f"{row.label} on {row.data} is left out: {row.why}" for row in sweep.left_out]
    columns = ["Row", "data", "budget", "option", "parameters", "of the budget"]
    return Table("sizes", "What each row gets of its budget", columns, rows, notes=notes)
