"""What a sweep writes: its plan, its choices, what decided each cell, and what became of it."""

from dataclasses import dataclass, field
from typing import ClassVar

from qft.records.schema import Document, Plain


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
    differs: dict[str, str] = field(default_factory=dict)  # layers, data, search, seeds, budget -> how from the rest
    size: Size | None = None  # what its budget chose; null: it has none


@dataclass
class SweepPlan(Document):
    """All cells of a sweep; a planned cell without a directory has not run yet."""

    FILE: ClassVar[str] = "sweep.json"

    name: str  # of the sweep
    scale: str  # of its yaml
    cells: list[Cell]  # in the order they were planned
    command: str = ""  # plans the same cells again
    left_out: list[LeftOut] = field(default_factory=list)  # rows that no setting brings within their budget


@dataclass
class Choice:
    """The learning rate of one row on one data set: that of lowest validation loss."""

    label: str  # of the row
    data: str  # data set
    n: int  # samples that were searched on
    lr: float  # chosen
    edge: bool  # whether it is the first or last of its grid
    validation_losses: dict[str, float | None]  # rate -> loss; null where the search diverged


@dataclass
class Choices(Document):
    """Every search of a sweep that has ended."""

    FILE: ClassVar[str] = "choices.json"

    grids: dict[str, list[float]] = field(default_factory=dict)  # label -> rates that are tried
    chosen: list[Choice] = field(default_factory=list)


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
