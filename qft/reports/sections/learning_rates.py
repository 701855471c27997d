"""Learning rates: the grids, and what was chosen on validation."""

from qft.reports.analysis.analysis import Analysis
from qft.reports.document import Entry, Section, Table
from qft.reports.sections.entries import number
from qft.reports.sweep import Sweep

LOWEST = "Validation loss at each rate; the lowest wins, by the same rule for all. The test set was not touched."


def sections(analysis: Analysis) -> list[Section]:
    """The table, where a search ran."""
    return [Section("Learning rates", table(analysis.sweep))]


def table(sweep: Sweep) -> Table | None:
    """A row a search, a column a rate."""
    rates = sorted({rate for c in sweep.choices for rate in c.losses})
    if not rates:
        return None
    rows = []
    for c in sweep.choices:
        line = [Entry(c.label), Entry(c.data), Entry(f"{c.lr:g}", c.lr)]
        rows.append([*line, *(number(c.losses.get(rate), 4) for rate in rates)])
    notes = [LOWEST]
    if edges := [f"{c.label} on {c.data}" for c in sweep.choices if c.edge]:
        notes.append(f"Best at the edge of the grid, so a rate beyond it may be better: {', '.join(edges)}.")
    columns = ["Row", "data", "chosen", *(f"lr {rate:g}" for rate in rates)]
    return Table("choices", "Validation loss by learning rate", columns, rows, notes=notes)
