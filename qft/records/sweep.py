"""What a sweep writes: its plan, its choices, what decided each cell, and what became of it."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from qft.records.schema import Document, Plain, absent


@dataclass
class Size:
    """What a budget made of a row: its method's one knob at the largest count within it."""

    budget: int  # most trainable parameters
    option: str  # of the method
    value: int  # of the option
    trainable: int  # parameters; of a control, which has the setting of its row, this may be another number


@dataclass
class LeftOut:
    """A row that cannot be made as small as its budget on one data set's model, and says that it may be left out."""

    key: str  # of the row in the sweep's yaml
    label: str  # of the row
    data: str  # data set
    budget: int  # most trainable parameters
    why: str  # names the method's minimum


@dataclass
class Cell:
    """One planned run. ``qft COMMAND OVERRIDES`` repeats it."""

    name: str  # of its directory
    role: str  # search (of a learning rate), final, or base
    label: str  # of its row
    adapter: str | None  # null: the untuned base
    data: str  # data set
    n: int  # samples
    seed: int  # of the run
    overrides: list[str]  # options of the run
    lr: float | None = None  # null until its search has ended
    variant: Plain = field(default_factory=dict)  # what the row changes of its method
    command: str = "train"  # train or eval
    test: bool = True  # whether the test set is touched
    after: list[str] = field(default_factory=list)  # cells that must be done first
    id: str = ""  # SHA-256 of what decides its result
    key: str = ""  # of its row in the sweep's yaml
    of: str = ""  # key of the row whose method it changes; empty: none
    differs: dict[str, str] = field(default_factory=dict)  # layers, data, search, seeds, budget -> how from the rest
    size: Size | None = None  # what its budget chose; null: it has none
    look: int = 1  # with seeds=auto: after how many looks, this one included, its seed is trained
    trial: str = ""  # of a search: rate1 to rate4, below, above, again, or lrRATE of a stated grid
    trial_id: str = ""  # SHA-256 of what decides its result, its rate among it, in whatever sweep it is run


@dataclass
class SweepPlan(Document):
    """All cells of a sweep; a planned cell without a directory has not run yet."""

    FILE: ClassVar[str] = "sweep.json"

    name: str  # of the sweep
    scale: str  # of its yaml
    cells: list[Cell]  # in the order they were planned
    command: str = ""  # plans the same cells again
    left_out: list[LeftOut] = field(default_factory=list)  # rows that no setting brings within their budget
    looks: int = 1  # at which seeds may be added, each with its share of the error: 3 with seeds=auto


@dataclass
class Trial:
    """One training of a search."""

    cell: str  # name of its cell
    lr: float  # learning rate
    seed: int  # of the run
    validation_loss: float | None  # at the end; null where it diverged
    seconds: float | None = None  # of training; null where it diverged
    steps: int | None = None  # of the optimizer; null where it diverged
    taken_from: str | None = None  # the sweep that ran it, where another one did


@dataclass
class Choice:
    """The learning rate of one row on one data set: that of lowest validation loss."""

    label: str  # of the row
    data: str  # data set
    n: int  # samples that were searched on
    lr: float  # chosen
    edge: bool  # whether no lower or no higher rate was tried: the best is not bracketed
    trials: list[Trial]  # all of them, in their order


@dataclass
class Choices(Document):
    """Every search of a sweep that has ended."""

    SCHEMA: ClassVar[int] = 2
    FILE: ClassVar[str] = "choices.json"

    chosen: list[Choice] = field(default_factory=list)

    @classmethod
    def migrated(cls, content: Plain, schema: int) -> Plain:
        """Schema 1 has a loss for each rate of a grid, all of seed 0."""
        if schema > 1:
            return content
        chosen = content.get("chosen", [])
        rest = {key: value for key, value in content.items() if key != "grids"}
        return rest | {"chosen": [cls._migrated(choice) for choice in chosen] if isinstance(chosen, list) else chosen}

    @staticmethod
    def _migrated(choice: Any) -> Any:
        """What is no choice stays as it is, and is refused as such."""
        if not isinstance(choice, dict) or not isinstance(choice.get("validation_losses"), dict):
            return choice
        rest = {key: value for key, value in choice.items() if key != "validation_losses"}
        losses = choice["validation_losses"].items()
        return rest | {
            "trials": [{"cell": "", "lr": _rate(lr), "seed": 0, "validation_loss": loss} for lr, loss in losses]
        }


def _rate(text: str) -> Any:
    """The number that a key of schema 1 is; what is none stays, and is refused as such."""
    try:
        return float(text)
    except ValueError:
        return text


@dataclass
class Identity:
    """Everything that decides a cell's result."""

    config: Plain  # resolved, without places on the disk
    model: str  # fingerprint
    data: str  # fingerprint
    threads: int  # sums are taken in another order with another number
    device: str  # cpu, cuda, ...
    after: list[str]  # ids of the cells it builds on
    packages: dict[str, str | None]  # those that compute -> version; null where an extra is not installed
    code: dict[str, str]  # module that computes -> digest of its syntax tree
    trial: str | None = absent()  # of a search whose rate other trials decide: which one it is


@dataclass
class Identities(Document):
    """What decided each cell, so that a refusal can say what is different."""

    SCHEMA: ClassVar[int] = 2
    FILE: ClassVar[str] = "identities.json"

    cells: dict[str, Identity] = field(default_factory=dict)  # name of the cell -> what decided it

    @classmethod
    def migrated(cls, content: Plain, schema: int) -> Plain:
        """Schema 1 is the mapping of cells itself, with one digest for all code."""
        if schema > 1:
            return content
        known = (entry for entry in content.values() if isinstance(entry, dict))
        for entry in known:
            if isinstance(entry.get("code"), str):
                entry["code"] = {"qft": entry["code"]}
        return {"cells": content}


@dataclass
class Attempt:
    """One attempt at a cell."""

    started: str  # local time with its offset
    ended: str | None = None  # null while it runs
    state: str = "running"  # running, done, failed, diverged or interrupted
    error: str | None = None  # in words


@dataclass
class CellState(Document):
    """What became of a cell."""

    FILE: ClassVar[str] = "cell.json"
    ADVICE: ClassVar[str] = "remove it, and the run resumes where it was"

    id: str  # of the cell as it was run
    state: str  # running, done, failed, diverged or interrupted
    name: str = ""  # of the cell
    error: str | None = None  # of the last attempt
    attempts: list[Attempt] = field(default_factory=list)
    taken_from: str | None = absent()  # of a trial: the sweep that ran it, where another one did
