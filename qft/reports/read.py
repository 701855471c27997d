"""Reads a sweep directory: what was planned (sweep.json) and what each cell left. Trains and changes nothing.

    DIR/sweep.json                    name, scale and the planned cells
    DIR/choices.json                  learning-rate grids and what was chosen, where a search ran
    DIR/cells/NAME/cell.json          state, error and attempts; the rest is an ordinary run directory

A planned cell without a directory has not run yet: it is ``missing``, never left out.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from qft import records
from qft.errors import QftError
from qft.names import one_name, visible
from qft.records import (
    Attempt,
    CellState,
    Choice,
    Choices,
    HistoryRow,
    Metrics,
    ParameterRecord,
    Record,
    Scores,
    SweepPlan,
    TrainingRecord,
)

MISSING = "missing"
WITHOUT_RESULT = ("failed", "damaged", "diverged")  # run, but nothing to count
NOISE = ("noise_scale", "trained", "shots")  # keys of a variant that belong to the noise sweep
Sample = tuple[str, str]
Group = tuple[str, str, int]  # row, data, n: what is averaged over seeds


@dataclass
class Cell(records.Cell):
    """A planned run and what came of it. ``record``, ``metrics``, ... are empty unless done."""

    state: str = MISSING
    error: str | None = None
    attempts: list[Attempt] = field(default_factory=list)
    record: Record | None = None
    metrics: Metrics | None = None
    history: list[HistoryRow] = field(default_factory=list)
    scores: dict[str, dict[Sample, float]] = field(default_factory=dict)
    link: str | None = None
    row: str = ""  # its line in the tables

    @property
    def done(self) -> bool:
        """Finished, and readable."""
        return self.state == "done"

    @property
    def group(self) -> Group:
        """What it shares with the other seeds."""
        return self.row, self.data, self.n

    def loss(self, which: str) -> float | None:
        """``train_loss_run_mean``, ``train_loss_final_epoch`` or ``validation_loss``; nats per token."""
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
    def parameters(self) -> ParameterRecord | None:
        """How many were trained."""
        return self.record.parameters if self.record else None

    @property
    def measured(self) -> Scores:
        """Losses, answers and scores; empty where nothing was evaluated."""
        return self.metrics.metrics if self.metrics else Scores()


@dataclass
class Sweep:
    """A sweep directory in memory."""

    path: Path
    name: str
    scale: str
    cells: list[Cell]
    choices: list[Choice]
    command: str

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
        found = next(c for c in self.cells if c.data == data).overrides
        words = [o for o in found if o.partition("=")[0].split(".")[0] == "data"]
        return " ".join(
            f"data.path=…/{'/'.join(Path(o).parts[-2:])}" if o.startswith("data.path=") and o.count("/") > 1 else o
            for o in words
        )

    def of(self, group: Group) -> list[Cell]:
        """The final cells of one group, by seed."""
        return sorted((c for c in self.final() if c.group == group), key=lambda c: c.seed)


def describe(key: str, value: Any) -> str:
    """A variant in words: ``circuit=none`` is *without circuit*."""
    known = {
        ("circuit", "none"): "without circuit",
        ("circuit", "constants"): "constants for the circuit",
        ("circuit", "silu"): "SiLU for the circuit",
        ("circuit", "polynomial"): "free polynomial for the circuit",
        ("entangle", False): "no entanglement",
        ("train_angles", False): "angles frozen",
        ("mpo", False): "no MPO",
        ("classical_path", False): "no classical path",
        ("shuffle", True): "outputs shuffled",
        ("trained", "exact"): "trained without noise",
        ("trained", "noisy"): "trained with noise",
        ("shots", None): "exact expectations",
    }
    try:
        return known.get((key, value)) or f"{key.replace('_', ' ')} {value}"
    except TypeError:  # a list or dict
        return f"{key.replace('_', ' ')} {value}"


def ordered(values: Iterable[Any]) -> list[Any]:
    """Without repeats, in the order of first appearance."""
    return list(dict.fromkeys(values))


def is_lora(cell: Cell) -> bool:
    """Whether a cell belongs to the row all others are compared with."""
    return cell.label == "LoRA r=4" or (cell.adapter == "lora" and cell.label == "LoRA" and not cell.variant)


def load(path: Path, names: Mapping[str, str] | None = None) -> Sweep:
    """Read a sweep directory whole. Raises QftError where it is none, newer than this program or damaged.

    ``names`` gives a dataset another name, by which it is not taken for the one that the papers print numbers of.
    """
    if not (path / "sweep.json").is_file():
        raise QftError(f"{path} is no sweep directory: it holds no sweep.json. Make one with: qft sweep table1.")
    plan = records.read(path / SweepPlan.FILE, SweepPlan)
    cells = [_cell(path, planned) for planned in plan.cells]
    _name_rows(cells)
    choices = records.read(path / Choices.FILE, Choices) if (path / Choices.FILE).is_file() else Choices()
    for name in (names or {}).values():
        if name in {c.data for c in cells} or not re.fullmatch(r"[\w.-]+", name):
            raise QftError(f"'{name}' names another data set of {path}, or is no word of letters, digits and _.-")
    for cell in cells:
        cell.data = (names or {}).get(cell.data, cell.data)
    chosen = [
        replace(c, label=text(c.label), data=(names or {}).get(text(c.data), text(c.data))) for c in choices.chosen
    ]
    name, scale = text(plan.name), text(plan.scale)
    unknown = f"qft sweep {name} scale={scale}  # and options that were not recorded"
    sweep = Sweep(path, name, scale, cells, chosen, text(plan.command) or unknown)
    if not cells:
        raise QftError(f"{path / 'sweep.json'} plans no cells; there is nothing to report.")
    return sweep


def _name_rows(cells: list[Cell]) -> None:
    """A row is called by its label; where variants share one, what each changes is added in words."""
    variants: dict[str, set[str]] = {}
    for cell in cells:
        variants.setdefault(cell.label, set()).add(json.dumps(cell.variant, sort_keys=True))
    for cell in cells:
        changes = [describe(k, v) for k, v in sorted(cell.variant.items())]
        words = ", ".join(c for c in changes if c not in cell.label)
        cell.row = text(f"{cell.label}, {words}") if words and len(variants[cell.label]) > 1 else cell.label


def _cell(path: Path, planned: records.Cell) -> Cell:
    words = {key: text(getattr(planned, key)) for key in ("role", "label", "data")}
    words |= {"adapter": text(planned.adapter or ""), "name": one_name("cell", planned.name)}  # the base has none
    cell = Cell(**vars(planned) | words | {"overrides": [text(o) for o in planned.overrides]})
    folder = path / "cells" / cell.name
    if not (folder / CellState.FILE).is_file():
        return cell
    try:
        _fill(cell, folder)
    except (QftError, OSError) as error:
        cell.state, cell.error = "damaged", text(f"{cell.name} cannot be read: {error}")
        cell.record, cell.metrics, cell.history, cell.scores = None, None, [], {}
    return cell


def _fill(cell: Cell, folder: Path) -> None:
    records.check_files(folder)
    directory = records.RunDirectory(folder)
    state = records.read(folder / CellState.FILE, CellState)
    cell.state, cell.error = text(state.state), text(state.error or "") or None
    cell.attempts = [
        Attempt(text(a.started), a.ended and text(a.ended), text(a.state), a.error and text(a.error))
        for a in state.attempts
    ]
    there = [name for name in (Record.FILE, Metrics.FILE) if (folder / name).is_file()]
    cell.link = f"cells/{cell.name}/{there[0] if there else CellState.FILE}"
    if not cell.done:
        return
    if not there:
        raise QftError("it is done, but holds neither record.json nor metrics.json")
    if Record.FILE in there:
        cell.record = directory.record()
    if Metrics.FILE in there:
        cell.metrics = directory.metrics()
    unaltered(directory)
    if cell.record:
        cell.history = directory.history()
        if cell.training is None or not cell.history or cell.history[-1].step != cell.training.steps:
            raise QftError("its history.csv does not end on the last step of record.json")
    if cell.measured.test:
        cell.scores = _scores(directory)
        for name, score in cell.measured.test.items():
            number = len(cell.scores.get(name, ()))
            if number != (number if score.samples is None else score.samples):  # early runs do not say how many
                raise QftError(f"its scores.jsonl holds {number} of {score.samples} answers scored by {name}")


def _scores(directory: records.RunDirectory) -> dict[str, dict[Sample, float]]:
    """scores.jsonl as name -> sample -> score; a score that was not measured is left out."""
    out: dict[str, dict[Sample, float]] = {}
    for row in directory.scores():
        for name, value in row.scores.items():
            if value is not None:
                out.setdefault(name, {})[row.id, str(row.turn)] = float(value)
    return out


def text(value: str) -> str:
    """A text of the sweep's own files as it may be shown: it may be a stranger's, and steers nothing."""
    return visible(value)


def unaltered(run: records.RunDirectory) -> None:
    """Raise QftError where what a run was declared with is not what lies there now. Earlier versions declared less."""
    if run.complete:
        run.verify(("config.yaml", "record.json", "history.csv"))
    if (run / records.SCORED).is_file():
        run.verify_scores()
