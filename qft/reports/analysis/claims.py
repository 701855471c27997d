"""What the papers claim against LoRA, and which of it the measured cells confirm, contradict or leave open."""

from collections.abc import Sequence
from dataclasses import dataclass

from qft.evaluation.metrics.base import Measure
from qft.reports.analysis import measures, published
from qft.reports.analysis.comparisons import WORDS, Comparison
from qft.reports.analysis.published import Paper, Printed
from qft.reports.sweep import Sweep, is_lora, ordered
from qft.statistics.verdict import DESCRIPTIVE, EQUAL, UNDECIDED

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
    said: tuple[str, ...]  # the word of each measured cell

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
        tally = ", ".join(f"{word} in {self.said.count(word)}" for word in WORDS if word in self.said)
        outcome = self.outcome[0].upper() + self.outcome[1:]
        return f"{self.method}, {self.measure.title}: {paper}; measured as {tally} of {len(self.said)}. {outcome}."

    @property
    def outcome(self) -> str:
        """The paper's order of the two, held against the measured cells."""
        if self.direction not in SIGNS:
            return "the paper prints no order"
        tested = [word for word in self.said if word != DESCRIPTIVE]
        if not tested:
            return "no verdict"
        against = "worse" if self.direction == "better" else "better"
        names = {
            self.direction: "confirmed",
            against: "contradicted",
            EQUAL: "shown to be equal",
            UNDECIDED: "undecided",
        }
        counts = {name: tested.count(word) for word, name in names.items() if word in tested}
        if len(counts) == 1:
            return next(iter(counts))
        return ", ".join(f"{name} in {count}" for name, count in counts.items())


def check(sweep: Sweep, compared: Sequence[Comparison]) -> list[Claim]:
    """One claim for each published method and measure that was compared with LoRA, on whatever data."""
    paper = published.paper_of(sweep)
    methods = {c.row: m.name for c in sweep.plain() if not is_lora(c) and (m := paper.method(c))}
    out = []
    for row, measure in ordered((c.row, c.measure) for c in compared if c.row in methods):
        said = tuple(c.word for c in compared if (c.row, c.measure) == (row, measure))
        better, worse, printed = printed_orders(paper, methods[row], measure)
        if printed:
            out.append(Claim(row, measure, better, worse, printed, said))
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
