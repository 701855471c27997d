"""Comparisons as sections: every one with its interval, its word and what would help."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from qft.reports.analysis.analysis import Analysis
from qft.reports.analysis.comparisons import WORDS, Comparison
from qft.reports.document import DASH, Entry, Figure, Section, Table
from qft.reports.sections.entries import bounds, number, p_value, row_name
from qft.reports.sweep import Sweep

NOTES = [
    "Difference: the row minus the other, with its interval over other items and other seeds, simultaneous over the "
    "comparisons planned (m). It alone decides: docs/statistics.md. Equal: within the margin on both sides. What would "
    "help takes the difference as it is. For these training samples; where items have families, for these families.",
    "r of seeds: correlation of the rows' means seed by seed, mean over the pairs of this data set and n; seeds are "
    "paired where it can be told from zero. p (Holm), effect size and P(better), the share of items on which the row "
    "is better, are information.",
]


def section(
    analysis: Analysis,
    compared: Sequence[Comparison],
    heading: str,
    name: str,
    title: str,
    other: str,
    figure: Callable[[], Figure | None] | None = None,
) -> list[Section]:
    """All comparisons of one question, folded, and those by the main measures; none where nothing was compared.

    Args:
        name, title: of the table.
        other: heading of the column of what a row is compared with.
    """
    if not compared:
        return []
    said = [c.word for c in compared]
    counts = [f"{said.count(word)} {word}" for word in WORDS if word in said]
    folded = f"{title}: {len(compared)} comparisons ({', '.join(counts)})"
    chosen = [c for c in compared if c.measure in analysis.main]
    short = table(analysis.sweep, chosen, f"{name}-short", f"{title}, in the main measures", other) if chosen else None
    return [Section(heading, table(analysis.sweep, compared, name, title, other), figure, short=short, folded=folded)]


def table(sweep: Sweep, compared: Sequence[Comparison], name: str, title: str, other: str) -> Table:
    """A row a comparison."""
    several = len({c.other for c in compared}) > 1
    columns = ["Row", *["against"] * several, "data", "n", "measure", "verdict", "difference", "interval"]
    columns += ["what would help", "r of seeds", "m", "p (Holm)", "p", "effect d_z", "P(better)", "row", other]
    columns += ["seeds", "seeds that agree", "items"]
    return Table(name, title, columns, [_row(sweep, c, several) for c in compared], notes=list(NOTES))


def _row(sweep: Sweep, c: Comparison, several: bool) -> list[Entry]:
    digits, alone = c.measure.digits, c.items == 1  # a loss that is one number a run has no spread over items
    pairing = "paired over seeds" if c.verdict.paired else "seeds of each row taken by themselves"
    return [
        row_name(sweep, c.row, c.data),
        *[row_name(sweep, c.other, c.data)] * several,
        Entry(c.data),
        number(c.n, 0),
        Entry(c.measure.title, hint=c.measure.unit),
        Entry(c.verdict.word, bold=c.word == "better"),
        number(c.verdict.estimate, digits, signed=True),
        bounds(c.interval, digits),
        Entry(c.verdict.help or DASH),
        replace(number(c.correlation, 2, signed=True), hint=pairing),
        number(c.planned, 0),
        p_value(c.adjusted),
        p_value(c.p),
        number(None if alone else c.effect, 2, signed=True),
        number(None if alone else c.improvement, 2),
        number(c.mean, digits),
        number(c.other_mean, digits),
        number(c.seeds, 0),
        Entry(f"{c.agree} of {c.seeds}", c.agree / c.seeds),
        number(c.items, 0),
    ]
