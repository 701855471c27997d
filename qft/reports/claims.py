"""What the papers claim against LoRA, and which of it the measured cells confirm, contradict or leave open."""

from collections.abc import Sequence
from dataclasses import dataclass

from qft.reports import comparisons, published
from qft.reports.comparisons import Versus
from qft.reports.sweep import Sweep, is_lora, ordered

LOSS = {"train_loss_run_mean": 0, "validation_loss": 1}  # a measured loss -> its place in a published pair


@dataclass(frozen=True)
class Claim:
    """How often a paper prints a method as better than LoRA by one measure, and how often it was measured so."""

    method: str
    measure: str
    printed_better: int
    printed_worse: int
    printed: int
    better: int
    worse: int
    undecided: int

    @property
    def sentence(self) -> str:
        """Published and measured, apart."""
        measured = self.better + self.worse + self.undecided
        title = comparisons.title(self.measure)
        paper = f"{self.method}, {title}: printed as better than LoRA in {self.printed_better} of {self.printed}"
        here = (
            f"measured as better in {self.better} of {measured}, worse in {self.worse}, undecided in {self.undecided}"
        )
        return f"{paper}; {here}. {self.outcome.capitalize()}."

    @property
    def outcome(self) -> str:
        """One word and what it means."""
        measured = self.better + self.worse + self.undecided
        if self.printed_better > self.printed_worse:
            agree, against = self.better, self.worse
        elif self.printed_better < self.printed_worse:
            agree, against = self.worse, self.better
        else:
            return "the paper itself is divided"
        if agree == measured:
            return "confirmed here"
        if against:
            return "not confirmed: the opposite was measured" + ("" if against == measured else f" in {against}")
        return "not confirmed: too close to call" + ("" if not agree else f" outside {agree}")


def check(sweep: Sweep, versus: Sequence[Versus]) -> list[Claim]:
    """One claim for each published method and measure that was measured against LoRA, on whatever data."""
    paper = published.paper_of(sweep)
    rows = {c.row: m["name"] for c in sweep.plain() if not is_lora(c) and (m := published.method(paper, c))}
    out = []
    for row, measure in ordered((v.row, v.measure) for v in versus if v.row in rows):
        here = [v.verdict for v in versus if (v.row, v.measure) == (row, measure)]
        better, worse, printed = _printed(paper, rows[row], measure)
        if printed:
            counts = (here.count("better"), here.count("worse"), here.count("undecided"))
            out.append(Claim(row, measure, better, worse, printed, *counts))
    return out


WORDS = {"confirmed": "confirmed in", "not": "NOT confirmed in", "the": "the paper itself is divided in"}


def summary(found: Sequence[Claim]) -> list[str]:
    """One line a method: in which measures the printed order of it and LoRA was found again."""
    lines = []
    for method in ordered(c.method for c in found):
        parts = []
        for start, words in WORDS.items():
            names = [comparisons.title(c.measure) for c in found if (c.method, c.outcome.split()[0]) == (method, start)]
            parts += [f"{words} {', '.join(names)}"] if names else []
        lines.append(f"{method} against LoRA r=4, as the paper prints it: {'; '.join(parts)}.")
    return lines


def _printed(paper: str, name: str, measure: str) -> tuple[int, int, int]:
    """Published cells in which the method is better than LoRA, in which it is worse, and cells in all."""
    content = published.papers()[paper]
    lora = next(m["name"] for m in content["methods"] if m["adapter"] == "lora")
    pairs: list[tuple[float, float]] = []
    if measure in LOSS:
        place = LOSS[measure]
        pairs = [(-c[name][place], -c[lora][place]) for b in content["losses"] for c in b["cells"].values()]
    else:
        for block in content["scores"]:
            for k, metric in enumerate(block["metrics"]):
                if published.MEASURED_AS[metric] == measure:
                    pairs.append((_highest(block["cells"][name][k]), _highest(block["cells"][lora][k])))
    return sum(a > b for a, b in pairs), sum(a < b for a, b in pairs), len(pairs)


def _highest(value: float | list[float]) -> float:
    """The larger of two printed values: the reading that is kindest to the paper."""
    return max(value) if isinstance(value, list) else value
