"""What the papers print (published.yaml), to stand beside what was measured and never be mixed with it."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from qft.reports.sweep import Cell, Sweep, ordered

SURVEY = {"full", "sora", "prefix", "qaa"}  # adapters that the survey compares
Printed = float | list[float]  # two values where a paper contradicts itself


@dataclass(frozen=True)
class Method:
    """A row of a paper's tables: ``name`` as printed there, ``adapter`` and ``label`` as it is measured here."""

    name: str
    adapter: str
    label: str
    parameters: str
    ratio: str


@dataclass(frozen=True)
class Losses:
    """Losses of one data set: ``cells[n][method]`` is (train, validation). ``data``: its names here."""

    name: str
    data: list[str]
    cells: dict[int, dict[str, list[float]]]


@dataclass(frozen=True)
class Scores:
    """Test scores of one data set: ``cells[method]`` has one value for each of ``metrics``."""

    name: str
    data: list[str]
    metrics: list[str]
    cells: dict[str, list[Printed]]

    def column(self, metric: str) -> dict[str, Printed]:
        """Method -> what is printed of it in one column."""
        place = self.metrics.index(metric)
        return {method: values[place] for method, values in self.cells.items()}


@dataclass(frozen=True)
class Paper:
    """Everything one paper prints.

    Attributes:
        ratio_to: what the printed ratios of parameters are to: ``LoRA r=4`` or ``all weights``.
        losses_in, scores_in: the tables they stand in.
        unsaid: what a reader of the scores must know and the paper leaves open.
    """

    source: str
    model: str
    ratio_to: str
    losses_in: str
    scores_in: str
    unsaid: list[str]
    methods: list[Method]
    losses: list[Losses]
    scores: list[Scores]

    def method(self, cell: Cell) -> Method | None:
        """The row that a cell's row stands beside, or None."""
        if cell.variant or cell.role == "base":
            return None
        for method in self.methods:
            if method.adapter == cell.adapter and (cell.adapter != "lora" or cell.label in (method.label, "LoRA")):
                return method
        return None

    def losses_of(self, data: str) -> Losses | None:
        """What it prints of the losses on a data set."""
        return next((block for block in self.losses if data in block.data), None)

    def scores_of(self, data: str) -> Scores | None:
        """What it prints of the scores on a data set."""
        return next((block for block in self.scores if data in block.data), None)


@cache
def papers() -> dict[str, Paper]:
    """published.yaml."""
    content = yaml.safe_load(Path(__file__).with_name("published.yaml").read_text(encoding="utf-8"))
    return {name: _paper(**entry) for name, entry in content.items()}


def _paper(methods: list[Any], losses: list[Any], scores: list[Any], **words: Any) -> Paper:
    return Paper(
        methods=[Method(**m) for m in methods],
        losses=[Losses(**block) for block in losses],
        scores=[Scores(**block) for block in scores],
        **words,
    )


def columns() -> list[str]:
    """The metrics of all printed tables, in the papers' order; a Measure names one as ``published``."""
    return ordered(metric for paper in papers().values() for block in paper.scores for metric in block.metrics)


def paper_of(sweep: Sweep) -> Paper:
    """The paper a sweep stands beside: the survey where it trains the survey's methods, else QWTHN's."""
    adapters = {c.adapter for c in sweep.plain() if c.role != "base"}
    return papers()["survey" if sweep.name.startswith("survey") or len(adapters & SURVEY) > 1 else "qwthn"]


def as_text(value: Printed) -> str:
    """A printed number; both where a paper contradicts itself."""
    return " / ".join(f"{v:g}" for v in value) if isinstance(value, list) else f"{value:g}"
