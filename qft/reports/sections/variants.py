"""Controls and noise in numbers: losses and scores of every row that is not a plain method, beside the plain one."""

from collections.abc import Sequence

from qft.reports.analysis import measures
from qft.reports.analysis.analysis import Analysis
from qft.reports.document import Entry, Section, Table
from qft.reports.sections.entries import mean_over_seeds, measured, number, parameters, row_name
from qft.reports.sweep import Cell, Sweep, ordered

LORA = ["rank of its LoRA", "which explains, %", "no LoRA explains, %"]


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
    exported = any(c.conversion for c in changed)
    rows = []
    for group in ordered(c.group for c in sweep.final() if (c.adapter, c.data, c.n) in methods):
        cells = sweep.of(group)
        line = [row_name(sweep, group[0], group[1]), Entry(group[1]), number(group[2], 0), parameters(cells)[0]]
        rows.append([*line, *(measured(cells, measure) for measure in shown), *(_as_lora(cells) if exported else [])])
    columns = ["Row", "data", "n", "parameters", *(measure.title for measure in shown), *(LORA if exported else [])]
    notes = ["Mean ± standard deviation over seeds; a cell with one seed shows none."]
    if exported:
        notes.append(
            "Beside its LoRA (qft export to=lora): the share of what an adapter adds to its layers' outputs that the "
            "LoRA of this rank explains, and the share that no LoRA of any rank does; means over layers."
        )
    return Table("variants", "Losses and scores of every changed row", columns, rows, notes=notes)


def _as_lora(cells: Sequence[Cell]) -> list[Entry]:
    """Rank, share and what is missing at any rank, of the runs that were exported as LoRAs."""
    found = [c.conversion for c in cells]
    return [
        mean_over_seeds(cells, [None if f is None else f.rank for f in found], 0),
        mean_over_seeds(cells, [None if f is None else 100 * f.share for f in found], 1),
        mean_over_seeds(cells, [None if f is None else 100 * (1 - f.linear_share) for f in found], 1),
    ]
