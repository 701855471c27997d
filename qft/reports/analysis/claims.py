"""What the papers claim against LoRA, and which of it the measured cells confirm, contradict or leave open."""

from collections.abc import Sequence
from dataclasses import dataclass

from qft.evaluation.metrics.base import Measure
from qft.reports.analysis import measures, published
from qft.reports.analysis.comparisons import Comparison
from qft.reports.analysis.published import Paper, Printed
from qft.reports.sweep import Sweep, is_lora, ordered

SIGNS = ("better", "worse")  # printed directions that a measurement can confirm
PLACES = {measures.TRAIN: 0, measures.VALIDATION: 1}  # a measured loss -> its place in a published pair


@dataclass(frozen=True)
class Claim:
    """How often a paper prints a method as better than LoRA by one measure, and how often it was measured so."""

    method: str
    measure: Measure
    printed_better: int
    printed_worse: int
    printed: int
    better: int
    worse: int
    undecided: int

    @property
    def measured(self) -> int:
        """Cells compared."""
        return self.better + self.worse + self.undecided

    @property
    def direction(self) -> str:
        """What the paper prints: better, worse, equal, or divided between its cells."""
        if self.printed_better > self.printed_worse:
            return "better"
        if self.printed_better < self.printed_worse:
            return "worse"
        return "divided" if self.printed_better else "equal"

    @property
    def sentence(self) -> str:
        """Published and measured, apart."""
        paper = f"printed as {self.direction} than LoRA" if self.direction in SIGNS else f"printed as {self.direction}"
        tally = f"measured as better in {self.better}, worse in {self.worse}, undecided in {self.undecided}"
        return f"{self.method}, {self.measure.title}: {paper}; {tally} of {self.measured}. {self.outcome.capitalize()}."

    @property
    def outcome(self) -> str:
        """The paper's order of the two, held against the measured cells."""
        if self.direction not in SIGNS:
            return "the paper prints no order"
        agree, against = (self.better, self.worse) if self.direction == "better" else (self.worse, self.better)
        if agree == self.measured:
            return "confirmed"
        if against == self.measured:
            return "contradicted"
        parts = [f"{word} in {count}" for word, count in (("contradicted", against), ("confirmed", agree)) if count]
        parts += ["else undecided"] if parts and self.undecided else []
        return ", ".join(parts) or "undecided"


def check(sweep: Sweep, compared: Sequence[Comparison]) -> list[Claim]:
    """One claim for each published method and measure that was compared with LoRA, on whatever data."""
    paper = published.paper_of(sweep)
    methods = {c.row: m.name for c in sweep.plain() if not is_lora(c) and (m := paper.method(c))}
    out = []
    for row, measure in ordered((c.row, c.measure) for c in compared if c.row in methods):
        verdicts = [c.verdict for c in compared if (c.row, c.measure) == (row, measure)]
        better, worse, printed = printed_orders(paper, methods[row], measure)
        if printed:
            counts = (verdicts.count("better"), verdicts.count("worse"), verdicts.count("undecided"))
            out.append(Claim(row, measure, better, worse, printed, *counts))
    return out


def summary(claims: Sequence[Claim]) -> list[str]:
    """One line a method and printed order: in which measures it was confirmed, contradicted or left open."""
    lines = []
    for method, direction in ordered((c.method, c.direction) for c in claims if c.direction in SIGNS):
        alike = [c for c in claims if (c.method, c.direction) == (method, direction)]
        parts = [
            f"{outcome} for {', '.join(c.measure.title for c in alike if c.outcome == outcome)}"
            for outcome in sorted({c.outcome for c in alike})
        ]
        lines.append(f"{method}, which the paper prints as {direction} than LoRA r=4: {'; '.join(parts)}.")
    return lines


def printed_orders(paper: Paper, method: str, measure: Measure) -> tuple[int, int, int]:
    """Published cells in which the method is better than LoRA, in which it is worse, and cells in all."""
    lora = next(m.name for m in paper.methods if m.adapter == "lora")
    pairs: list[tuple[float, float]] = []
    if measure in PLACES:
        place = PLACES[measure]
        cells = [c for block in paper.losses for c in block.cells.values()]
        pairs = [(-c[method][place], -c[lora][place]) for c in cells]
    elif measure.published:
        columns = [b.column(measure.published) for b in paper.scores if measure.published in b.metrics]
        pairs = [(_highest(c[method]), _highest(c[lora])) for c in columns]
    return sum(a > b for a, b in pairs), sum(a < b for a, b in pairs), len(pairs)


def _highest(value: Printed) -> float:
    """The larger of two printed values: the reading that is kindest to the paper."""
    return max(value) if isinstance(value, list) else value
