"""Everything a report says about one sweep, computed once; the page and the Markdown only set it in type."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from qft.names import slug
from qft.reports import layouts, tables
from qft.reports.analysis import claims, comparisons, contribution, convergence, noise, same_size
from qft.reports.analysis.claims import Claim
from qft.reports.analysis.comparisons import Versus
from qft.reports.analysis.contribution import Answer
from qft.reports.analysis.divergence import diverged, without_loss
from qft.reports.read import NOISE, Cell, Sweep, load, ordered
from qft.reports.render import figures
from qft.reports.render.figures import Figure
from qft.reports.render.table import Table

# of each kind of comparison: the table's name, its title, and the column of what a row is compared with
LORA = ("lora", "Every row against LoRA r=4", "LoRA r=4")
MATCHED = ("matched", "Every row against the LoRA of nearly its size", "that LoRA")
CONTROLS = ("controls", "Each method against its controls", "control")
FAMILIES = (
    "The demo's test answers come from a few families of sentences and sums: an interval over samples speaks for other "
    "answers of these families, and is narrower than one for other families would be."
)


@dataclass
class Report:
    """What there is to say. None: nothing to show.

    ``paper``: Tables I, II or the survey's; ``lora``, ``matched`` and ``controls``: the comparisons.
    """

    sweep: Sweep
    lora: list[Versus]
    matched: list[Versus]
    controls: list[Versus]
    answers: list[Answer]
    claims: list[Claim]
    paper: list[Table]
    claims_table: Table | None
    lora_table: Table | None
    matched_table: Table | None
    controls_table: Table | None
    variants: Table | None
    reduction: Table | None
    choices: Table | None
    cost: Table | None
    runs: Table

    @property
    def lora_short(self) -> Table | None:
        """``lora`` in the main measures."""
        return self._short(self.lora, *LORA)

    @property
    def matched_short(self) -> Table | None:
        """``matched`` in the main measures."""
        return self._short(self.matched, *MATCHED)

    @property
    def controls_short(self) -> Table | None:
        """``controls`` in the main measures."""
        return self._short(self.controls, *CONTROLS)

    def _short(self, versus: list[Versus], name: str, title: str, other: str) -> Table | None:
        chosen = [v for v in versus if v.measure in self.main]
        return tables.versus_table(chosen, f"{name}-short", f"{title}, in the main measures", other)

    @property
    def tables(self) -> list[Table]:
        """All of them, in the page's order."""
        others = [self.claims_table, self.matched_table, self.reduction, self.lora_table, self.controls_table]
        others += [self.variants, self.choices, self.cost]
        return [*self.paper, *(t for t in others if t is not None), self.runs]

    @property
    def models(self) -> list[tuple[str, int]]:
        """Base models trained on, with their parameters."""
        known = [(c.record.model, c.record.parameters) for c in self.trained if c.record]
        return ordered((model.name, parameters.base) for model, parameters in known if model and parameters)

    @property
    def trained(self) -> list[Cell]:
        """Finished cells that have a record."""
        return [c for c in self.sweep.final() if c.record and c.record.model and c.record.parameters]

    @property
    def counts(self) -> dict[str, int]:
        """State -> number of planned cells."""
        states = [c.state for c in self.sweep.cells]
        return {state: states.count(state) for state in ordered(["done", *sorted(states)])}

    @cached_property
    def main(self) -> list[str]:
        """The validation loss and the scores that sentences are about."""
        scores = [comparisons.primary(self.sweep, data) for data in ordered(c.data for c in self.sweep.final())]
        return ordered(["validation_loss", *(s for s in scores if s)])

    @property
    def caution(self) -> str | None:
        """What a small base cannot say."""
        small = [(name, size) for name, size in self.models if 0 < size < 1_000_000_000]
        if not small or self.sweep.as_published:
            return None
        words = ", ".join(f"{name} with {_people(size)} parameters" for name, size in small)
        return f"Measured on {words}. That is no 7B model: these numbers say nothing about what a 7B base would give."

    @property
    def short(self) -> list[str]:
        """What a reader should know first, a sentence each."""
        lines = [self.caution] if self.caution else []
        lines += claims.summary(self.claims) or ["No published claim about LoRA can be held against these cells."]
        lines += same_size.summary(self.sweep, self.matched, self.main)
        lines += noise.summary(self.sweep)
        lines += [f"What the circuit contributes: {contribution.headline(self.answers)}"] if self.answers else []
        if len({c.seed for c in self.trained}) == 1:
            lines.append("One seed: intervals speak for other test samples, not for other initial weights and orders.")
        if any(c.data.startswith("demo") for c in self.trained):
            lines.append(FAMILIES)
        if worse := diverged(self.sweep):
            lines.append(f"Validation loss above the untuned base's: {'; '.join(worse)}. Means hold these runs too.")
        if gone := without_loss(self.sweep):
            lines.append(f"Diverged, so without a result and in no mean: {', '.join(gone)}.")
        if absent := [f"{count} {state}" for state, count in self.counts.items() if state != "done" and count]:
            lines.append(f"Not all planned runs are finished: {', '.join(absent)}. They are shown as such.")
        return lines

    def figures(self) -> list[Figure]:
        """The pictures; drawn when asked for, they take the longest."""
        measure_of = {data: comparisons.primary(self.sweep, data) for data in {c.data for c in self.sweep.final()}}
        drawn = [
            figures.training(self.sweep),
            figures.parameters(self.sweep),
            figures.ablation(self.controls, measure_of),
            figures.noise(self.sweep, measure_of),
        ]
        return [f for f in drawn if f is not None]


def make(path: Path, names: Mapping[str, str] | None = None) -> Report:
    """Read a sweep directory and compute its report; ``names`` as in ``load``. Raises QftError where it is none."""
    sweep = load(path, names)
    lora, fair, controls = comparisons.with_lora(sweep), same_size.matched(sweep), comparisons.controls(sweep)
    checked = claims.check(sweep, lora)
    return Report(
        sweep=sweep,
        lora=lora,
        matched=fair,
        controls=controls,
        answers=contribution.answers(sweep, controls),
        claims=checked,
        paper=_named_apart([*layouts.losses(sweep, lora), *layouts.scores(sweep, lora)]),
        claims_table=tables.claims_table(checked),
        lora_table=tables.versus_table(lora, *LORA),
        matched_table=tables.versus_table(fair, *MATCHED),
        controls_table=tables.versus_table(controls, *CONTROLS),
        variants=tables.variants(sweep, comparisons.measures(sweep)),
        reduction=tables.against_lora(sweep, convergence.percent_of_steps),
        choices=tables.choices(sweep),
        cost=tables.cost(sweep),
        runs=tables.attempts(sweep),
    )


def _named_apart(tables: list[Table]) -> list[Table]:
    """Names of tables are made of those of data sets: here they become file names and ids, each its own."""
    taken: list[str] = []
    for each in tables:
        each.name = slug(each.name, taken)
        taken.append(each.name)
    return tables


def has_noise(report: Report) -> bool:
    """Whether the sweep varies noise or shots."""
    return any(set(c.variant) & set(NOISE) for c in report.sweep.final())


def _people(size: int) -> str:
    return f"{size / 1e6:.3g} million"
