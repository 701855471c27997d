"""What a sweep says of each published claim: its comparisons, whether it survives its controls, and what that rests on.

A claim is planned with its controls: one interval, simultaneous over the claim's pairs and its controls' pairs, decides
each. "better" is borne out where a pair is called better; "not worse" where it is called better or equal, or where the
worse end of its interval lies within the margin and the other's search is bracketed. Rows with more parameters than the
claim allows do not test it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from qft.claims.claim import Claim, Row, quoted
from qft.evaluation import metrics
from qft.evaluation.metrics.base import Measure
from qft.names import visible
from qft.reports.analysis import comparisons, measures
from qft.reports.analysis.comparisons import Comparison, Pairs
from qft.reports.sweep import Cell, Sweep, changes, ordered
from qft.statistics.verdict import BETTER, DESCRIPTIVE, EQUAL, UNDECIDED, WORSE

YES, NO, OPEN, NONE = "confirmed", "contradicted", "undecided", "no verdict"
UNTESTABLE, NOT_RUN, TOO_LARGE = "untestable here", "not run", "not at the claimed size"


@dataclass(frozen=True)
class Tested:
    """A claim and what a sweep says of it.

    Attributes:
        state: confirmed, contradicted, undecided, no verdict, how often each, not at the claimed size, untestable here
            or not run.
        compared: the claim's own comparisons; ``controls``: those with the row's controls.
        planned: pairs of both, finished or not.
        ratio: most parameters of the row over those of the other; None before a run has finished.
    """

    claim: Claim
    state: str
    compared: list[Comparison]
    controls: list[Comparison]
    planned: int
    ratio: float | None

    @property
    def sentence(self) -> str:
        """The verdict and what it rests on, in words."""
        return f"{visible(self.claim.name)}: {self.state}. {quoted(self.claim)}. {self.rests_on}"

    @property
    def rests_on(self) -> str:
        """Measure, comparisons, seeds, items, size and controls."""
        if not self.claim.testable_here:
            return f"Untestable here: {visible(self.claim.reason)}."
        size = "" if self.ratio is None else f" At {self.ratio:.2f} of the other's parameters"
        if size and self.claim.ratio is not None:
            size += f" (claimed: at most {self.claim.ratio:g})"
        if not self.compared:
            return f"No pair of its rows and size has finished.{size}{'.' if size else ''}"
        seeds, items = sorted({c.seeds for c in self.compared}), sorted({c.items for c in self.compared})
        among = " with controls" if self.controls else ""
        words = [
            f"Rests on {self.compared[0].measure.title}",
            f"{len(self.compared) + len(self.controls)} of {self.planned} planned comparisons{among}",
            f"{_span(seeds)} seeds",
            f"{_span(items)} items",
        ]
        return f"{', '.join(words)}.{size}{'.' if size else ''} {self._survived()}".strip()

    def _survived(self) -> str:
        if not self.claim.controls:
            return ""
        if not self.controls:
            return "Its controls have not run."
        lost = ordered(c.other for c in self.controls if c.word != BETTER)
        missing = len(self.claim.controls) * len({(c.data, c.n, c.row) for c in self.compared}) - len(self.controls)
        if not lost and missing > 0:
            return f"It is better than its controls in {len(self.controls)} comparisons; {missing} more have not run."
        if not lost:
            return f"It survives its controls ({len(self.controls)} comparisons)."
        return f"Not shown to be better than its controls {', '.join(lost)}."


def test(sweep: Sweep, claims: Sequence[Claim]) -> list[Tested]:
    """Each claim against a sweep, whether or not the sweep has its rows."""
    return [_tested(sweep, claim) for claim in claims]


def _tested(sweep: Sweep, claim: Claim) -> Tested:
    measure, every = _measure(claim), _pairs(sweep, claim)
    most = claim.ratio or math.inf
    pairs = [pair for pair in every if (_ratio(*pair) or 0.0) <= most]
    ratio = max((r for pair in pairs or every if (r := _ratio(*pair)) is not None), default=None)
    rows = {cells[0].group: cells for cells, _ in pairs}.values()
    controls = [(cells, others) for cells in rows for others in _controls(sweep, claim, cells[0])]
    planned = len(pairs) + len(controls)
    if not claim.testable_here or measure is None or not pairs:
        state = UNTESTABLE if not claim.testable_here else TOO_LARGE if every and measure else NOT_RUN
        return Tested(claim, state, [], [], planned, ratio)
    compared = comparisons.by_measure(sweep, pairs, measure, planned, named=True)
    against = comparisons.by_measure(sweep, controls, measure, planned, named=True)
    return Tested(claim, _state(claim, compared), compared, against, planned, ratio)


def _pairs(sweep: Sweep, claim: Claim) -> Pairs:
    """Every row that the claim speaks of with every one it is held against, on each data set and n."""
    known, against = _of(sweep, claim.row), _of(sweep, claim.against)
    out: Pairs = []
    for place in ordered((c.data, c.n) for c in known):
        rows, others = (
            [[c for c in cells if (c.data, c.n) == place and c.row == row] for row in ordered(c.row for c in cells)]
            for cells in (known, against)
        )
        met = [(row, other) for row in rows for other in others if row and other]
        out += [(row, other) for row, other in met if row[0].row != other[0].row]
    return out


def _controls(sweep: Sweep, claim: Claim, cell: Cell) -> list[list[Cell]]:
    """The planned rows that change a cell's row as the claim's controls say."""
    alike = [c for c in sweep.final() if changes(c, cell)]
    found = ([c for c in alike if c.variant == variant] for variant in claim.controls)
    return [cells for cells in found if cells]


def _of(sweep: Sweep, row: Row) -> list[Cell]:
    """The plain cells of a row."""
    cells = [c for c in sweep.plain() if c.role != "base"]
    return [c for c in cells if row.adapter in ("", c.adapter) and row.label in ("", c.label)]


def _measure(claim: Claim) -> Measure | None:
    """The measure that a claim names; None where no metric installed here gives it."""
    return measures.HELDOUT if claim.measure == measures.HELDOUT.name else metrics.measures().get(claim.measure)


def _state(claim: Claim, compared: Sequence[Comparison]) -> str:
    """One word where all comparisons agree, else how often each."""
    if not compared:
        return NOT_RUN
    said = [_borne_out(claim, c) for c in compared]
    counts = {word: said.count(word) for word in (YES, NO, OPEN, NONE) if word in said}
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{word} in {count}" for word, count in counts.items())


def _borne_out(claim: Claim, c: Comparison) -> str:
    if c.word == DESCRIPTIVE:
        return NONE
    if claim.says == "better":
        return {BETTER: YES, UNDECIDED: OPEN}.get(c.word, NO)
    worst = -c.verdict.low if c.measure.higher_is_better else c.verdict.high
    if c.margin is not None and worst < c.margin and c.word not in (BETTER, EQUAL):
        return YES if c.other_bracketed else OPEN
    return {BETTER: YES, EQUAL: YES, WORSE: NO}.get(c.word, OPEN)


def _ratio(cells: Sequence[Cell], others: Sequence[Cell]) -> float | None:
    one, other = (next((c.parameters.trainable for c in row if c.parameters), None) for row in (cells, others))
    return one / other if one is not None and other else None


def _span(values: Sequence[int]) -> str:
    return f"{values[0]:,}" if len(values) == 1 else f"{values[0]:,} to {values[-1]:,}"
