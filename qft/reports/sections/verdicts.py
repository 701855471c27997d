"""Comparisons as sections: every one with its interval, corrected p, effect size and probability of improvement."""

from collections.abc import Callable, Sequence

from qft.reports.analysis import measures, statistics
from qft.reports.analysis.analysis import Analysis
from qft.reports.analysis.comparisons import Comparison
from qft.reports.document import Entry, Figure, Section, Table
from qft.reports.sections.entries import bounds, number, p_value, row_name
from qft.reports.sweep import Sweep

NOTES = [
    "Scores: each sample's scores averaged over seeds, paired over test samples; interval: paired bootstrap (BCa, "
    f"{statistics.RESAMPLES:,} resamples); p: paired permutation test; P(better): share of test samples on which "
    "the row is better, ties half. Losses: paired over seeds, t interval and test, on these validation samples "
    "only, which also chose the learning rate. Over seeds: t interval of the seeds' differences.",
    "Holm's correction within one measure of one question; measures are not corrected for each other. Undecided: "
    "an interval contains zero or cannot be computed, or p (Holm) is 0.05 or more.",
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
    counts = [
        f"{sum(c.verdict == verdict for c in compared)} {verdict}" for verdict in ("better", "worse", "undecided")
    ]
    folded = f"{title}: {len(compared)} comparisons ({', '.join(counts)})"
    chosen = [c for c in compared if c.measure in analysis.main]
    short = table(analysis.sweep, chosen, f"{name}-short", f"{title}, in the main measures", other) if chosen else None
    return [Section(heading, table(analysis.sweep, compared, name, title, other), figure, short=short, folded=folded)]


def table(sweep: Sweep, compared: Sequence[Comparison], name: str, title: str, other: str) -> Table:
    """A row a comparison."""
    several = len({c.other for c in compared}) > 1
    columns = ["Row", *["against"] * several, "data", "n", "measure", "verdict", "difference", "95 % interval"]
    columns += ["95 % over seeds", "p (Holm)", "p", "effect d_z", "P(better)", "row", other]
    columns += ["seeds", "seeds that agree", "pairs"]
    return Table(name, title, columns, [_row(sweep, c, several) for c in compared], notes=list(NOTES))


def _row(sweep: Sweep, c: Comparison, several: bool) -> list[Entry]:
    d, digits = c.difference, c.measure.digits
    of_samples = not measures.is_loss(c.measure)  # three seeds have no effect size worth the name
    return [
        row_name(sweep, c.row, c.data),
        *[row_name(sweep, c.other, c.data)] * several,
        Entry(c.data),
        number(c.n, 0),
        Entry(c.measure.title, hint=c.measure.unit),
        Entry(c.verdict, bold=c.verdict == "better"),
        number(d.mean, digits, signed=True),
        bounds(d.interval, digits),
        bounds(c.over_seeds, digits),
        p_value(d.adjusted),
        p_value(d.p),
        number(d.effect if of_samples else None, 2, signed=True),
        number(c.improvement if of_samples else None, 2),
        number(c.mean, digits),
        number(c.other_mean, digits),
        number(c.seeds, 0),
        Entry(f"{c.agree} of {c.compared}", c.agree / c.compared),
        number(d.count, 0),
    ]
