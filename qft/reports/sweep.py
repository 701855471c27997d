"""A sweep directory in memory: planned cells and what came of them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qft import records
from qft.records import (
    Attempt,
    Conversion,
    HeldoutLoss,
    HistoryRow,
    LeftOut,
    Metrics,
    ParameterRecord,
    Record,
    Scores,
    TrainingRecord,
    Trial,
    mean_loss,
)

MISSING = "missing"
WITHOUT_RESULT = ("failed", "damaged", "diverged")  # run, but nothing to count
NOISE = ("noise_scale", "trained", "shots")  # keys of a variant that belong to the noise sweep
Sample = tuple[str, str]  # id, turn
Group = tuple[str, str, int]  # row, data, n: what is averaged over seeds


@dataclass
class Cell(records.Cell):
    """A planned run and what came of it; ``record``, ``metrics``, ... are empty unless it is done.

    Attributes:
        scores: name of the score -> sample -> score, 0-100.
        heldout: the loss on each held-out sample; empty where nothing is held out.
        conversion: how far it is from its LoRA, where it was exported as one.
        link: its main file, relative to the sweep's directory.
        row: its line in the tables.
    """

    state: str = MISSING
    error: str | None = None
    attempts: list[Attempt] = field(default_factory=list)
    record: Record | None = None
    metrics: Metrics | None = None
    history: list[HistoryRow] = field(default_factory=list)
    scores: dict[str, dict[Sample, float]] = field(default_factory=dict)
    heldout: list[HeldoutLoss] = field(default_factory=list)
    conversion: Conversion | None = None
    link: str | None = None
    row: str = ""

    @property
    def done(self) -> bool:
        """Finished, and readable."""
        return self.state == "done"

    @property
    def group(self) -> Group:
        """What it shares with the other seeds."""
        return self.row, self.data, self.n

    def loss(self, which: str) -> float | None:
        """``train_loss_run_mean``, ``..._final_epoch``, ``validation_loss`` or ``heldout_loss``; nats per token."""
        if which == "heldout_loss":
            return mean_loss(self.heldout)
        if self.training is not None:
            value: float = vars(self.training)[which]
            return value
        validation = self.measured.validation  # the untuned base is evaluated only
        return validation.loss if validation and which == "validation_loss" else None

    def score(self, name: str) -> float | None:
        """A test score of the run, 0-100."""
        score = self.measured.test.get(name)
        return score.value if score else None

    @property
    def training(self) -> TrainingRecord | None:
        """What training gave."""
        return self.record.training if self.record else None

    @property
    def margin(self) -> float | None:
        """Losses closer than this count as equal, as the data set stated before the run; None: it stated none."""
        data = self.record.data if self.record else None
        return data.margin if data else None

    @property
    def parameters(self) -> ParameterRecord | None:
        """How many were trained."""
        return self.record.parameters if self.record else None

    @property
    def measured(self) -> Scores:
        """Losses, answers and scores; empty where nothing was evaluated."""
        return self.metrics.metrics if self.metrics else Scores()


@dataclass(frozen=True)
class Search:
    """A search for a learning rate: its trials, and the rate that was chosen."""

    label: str
    data: str
    lr: float
    edge: bool  # not bracketed: no lower or no higher rate was tried
    trials: list[Trial]

    @property
    def seconds(self) -> float:
        """What the trials cost; those that diverged say nothing."""
        return sum(trial.seconds or 0.0 for trial in self.trials)


@dataclass
class Sweep:
    """Everything a sweep directory holds."""

    path: Path
    name: str
    scale: str
    cells: list[Cell]
    choices: list[Search]
    command: str
    left_out: list[LeftOut] = field(default_factory=list)
    looks: int = 1  # at which seeds could be added

    def final(self) -> list[Cell]:
        """The cells the tables are made of; a search for a learning rate has a table of its own."""
        return [c for c in self.cells if c.role != "search"]

    def plain(self) -> list[Cell]:
        """Final cells of unchanged methods, no control and no noise: LoRA r=4 first, the untuned base last."""
        return sorted((c for c in self.final() if not c.variant), key=lambda c: (c.role == "base") - is_lora(c))

    @property
    def as_published(self) -> bool:
        """Whether it runs on the papers' own bases."""
        return self.scale == "paper" and not any("model.path=" in o for c in self.cells for o in c.overrides)

    def read_from(self, data: str) -> str:
        """The overrides by which the cells of a dataset read it; of a path on the disk its last two parts."""
        overrides = next(c for c in self.cells if c.data == data).overrides
        words = [o for o in overrides if o.partition("=")[0].split(".")[0] == "data"]
        return " ".join(
            f"data.path=…/{'/'.join(Path(o).parts[-2:])}" if o.startswith("data.path=") and o.count("/") > 1 else o
            for o in words
        )

    def differs(self, row: str, data: str) -> str:
        """What a row declares not to share with the others on a data set: ``layers: 7, others 28``; often nothing."""
        declared = next((c.differs for c in self.final() if (c.row, c.data) == (row, data)), {})
        return "; ".join(f"{kind}: {how}" for kind, how in declared.items())

    def bracketed(self, cell: Cell) -> bool:
        """Whether the search of the cell's row left no better learning rate open; of one that is lost, no."""
        found = [search for search in self.choices if (search.label, search.data) == (cell.label, cell.data)]
        return not any(search.edge for search in found) if found else not cell.after

    def of(self, group: Group) -> list[Cell]:
        """The final cells of one group, by seed."""
        return sorted((c for c in self.final() if c.group == group), key=lambda c: c.seed)


def is_lora(cell: Cell) -> bool:
    """Whether a cell belongs to the row all others are compared with."""
    return cell.label == "LoRA r=4" or (cell.adapter == "lora" and cell.label == "LoRA" and not cell.variant)


def changes(cell: Cell, whole: Cell) -> bool:
    """Whether a cell is a run of the row of ``whole`` with something changed; earlier plans name its method alone."""
    alike = (cell.adapter, cell.data, cell.n) == (whole.adapter, whole.data, whole.n)
    return bool(alike and cell.variant and not whole.variant and (not cell.of or cell.of == whole.key))


def ordered(values: Iterable[Any]) -> list[Any]:
    """Without repeats, in the order of first appearance."""
    return list(dict.fromkeys(values))
