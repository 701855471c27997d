"""Which runs and sweeps lie below a directory, and what a line says of each. Reads only, and loads no model.

A directory that cannot be read is listed as damaged, with the reason. Links are not followed.
"""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

try:
    from yaml import CSafeLoader as Loader  # compiled, ten times as fast
except ImportError:
    from yaml import SafeLoader as Loader  # type: ignore[assignment]

from qft.errors import QftError
from qft.names import shortened, visible
from qft.process.locks import is_free
from qft.records import (
    COMPLETE,
    HELDOUT,
    SCORED,
    Cell,
    CellState,
    EvaluationSettings,
    Metrics,
    Record,
    RunDirectory,
    Scores,
    SweepPlan,
    check_files,
    read,
)
from qft.reports.analysis.measures import MAIN
from qft.runs import names

DAMAGED, DONE, INTERRUPTED, RUNNING, DIVERGED = "damaged", "done", "interrupted", "running", "diverged"
DEEPEST = 6  # directories within each other that are looked into
UNALTERED = ("config.yaml", Record.FILE, "history.csv", HELDOUT)  # small files whose digests a finished run states


@dataclass
class Listed:
    """A run, a cell of a sweep, an evaluation without a run, or a sweep. None: not known, or it has none.

    Attributes:
        name: of its directory; ``short`` without the time.
        kind: run, cell, evaluation or sweep.
        state: done, running, interrupted, diverged, failed, damaged; of a sweep done, running or unfinished.
        parameters: trainable ones.
        train_loss, validation_loss, heldout_loss: nats per token.
        measure, score: the main score and its value.
        size: bytes of everything in it.
        started: local time with its offset.
        problem: why it is damaged, failed or diverged.
        cells: of a sweep: state -> number of planned cells.
    """

    name: str
    path: str
    kind: str
    state: str
    short: str = ""
    method: str | None = None
    data: str | None = None
    n: int | None = None
    seed: int | None = None
    parameters: int | None = None
    train_loss: float | None = None
    validation_loss: float | None = None
    heldout_loss: float | None = None
    measure: str | None = None
    score: float | None = None
    size: int = 0
    started: str | None = None
    problem: str | None = None
    cells: dict[str, int] = field(default_factory=dict)


def below(root: Path, cells: bool = False) -> list[Listed]:
    """Everything of ours below a directory, in the order of names; ``root`` itself where it is a run.

    Args:
        root: Where to look. Of a sweep itself, its cells are listed.
        cells: Also list the cells of sweeps.

    Raises:
        QftError: The directory cannot be read.
    """
    try:
        if names.is_sweep(root):
            return [sweep(root), *_cells(root)]
        return list(_walk(root, cells, DEEPEST))
    except OSError as error:
        raise QftError(f"{error.filename or root} cannot be read: {error.strerror}.") from error


def _walk(folder: Path, cells: bool, deeper: int) -> Iterator[Listed]:
    if names.is_sweep(folder):
        yield sweep(folder)
        yield from _cells(folder) if cells else ()
    elif names.is_run(folder):
        yield run(folder)
    elif deeper:
        inner = sorted(Path(e.path) for e in os.scandir(folder) if e.is_dir(follow_symlinks=False))
        for path in inner:
            if not path.name.startswith(".") and os.access(path, os.R_OK | os.X_OK):
                yield from _walk(path, cells, deeper - 1)


def run(folder: Path) -> Listed:
    """One run or evaluation as a line."""
    trained = any((folder / name).is_file() for name in ("config.yaml", Record.FILE, COMPLETE))
    line = Listed(folder.name, str(folder), "run" if trained else "evaluation", INTERRUPTED, names.short(folder.name))
    return _filled(line, folder, _state_of_run(folder))


def cell(directory: Path, planned: Cell) -> Listed:
    """One planned cell of a sweep as a line; ``not run`` where it has no directory."""
    folder = directory / "cells" / planned.name
    line = Listed(planned.name, str(folder), "cell", "not run", planned.name)
    line.method, line.data, line.n, line.seed = visible(planned.label), visible(planned.data), planned.n, planned.seed
    try:
        state = read(folder / CellState.FILE, CellState) if (folder / CellState.FILE).is_file() else None
    except QftError as error:
        line.problem, line.size = visible(str(error)), size(folder)
        line.state = DAMAGED
        return line
    if state is None:
        return line
    line.problem = state.error and visible(state.error)
    line.started = state.attempts[-1].started if state.attempts else None
    ended = visible(state.state)
    if ended == RUNNING and is_free(directory / ".locks" / planned.name):
        ended = INTERRUPTED
    return _filled(line, folder, ended)


def sweep(folder: Path) -> Listed:
    """A sweep as a line: its cells by state, and what it takes on the disk."""
    line = Listed(folder.name, str(folder), "sweep", "unfinished", names.short(folder.name), size=size(folder))
    try:
        plan = read(folder / SweepPlan.FILE, SweepPlan)
    except QftError as error:
        line.state, line.problem = DAMAGED, visible(str(error))
        return line
    line.cells = dict(Counter(_state_of_cell(folder, planned) for planned in plan.cells))
    rows = list(dict.fromkeys(visible(c.label) for c in plan.cells if c.role == "final"))
    line.method = f"{len(rows)} rows" if len(rows) > 1 else next(iter(rows), None)
    line.data = ", ".join(dict.fromkeys(visible(c.data) for c in plan.cells))
    if line.cells.get(DONE, 0) + line.cells.get(DIVERGED, 0) == len(plan.cells):
        line.state = DONE
    if not is_free(folder / ".lock"):
        line.state = RUNNING
    return line


def _cells(directory: Path) -> list[Listed]:
    try:
        plan = read(directory / SweepPlan.FILE, SweepPlan)
    except QftError:
        return []  # the line of the sweep says so
    return [cell(directory, planned) for planned in plan.cells]


def _state_of_cell(directory: Path, planned: Cell) -> str:
    file = directory / "cells" / planned.name / CellState.FILE
    if not file.is_file():
        return "not run"
    try:
        state = visible(read(file, CellState).state)
    except QftError:
        return DAMAGED
    return INTERRUPTED if state == RUNNING and is_free(directory / ".locks" / planned.name) else state


def _state_of_run(folder: Path) -> str:
    if not is_free(folder / ".lock"):
        return RUNNING
    directory = RunDirectory(folder)
    if directory.complete or (folder / SCORED).is_file():
        return DONE
    return DIVERGED if directory.diverged else INTERRUPTED


def _filled(line: Listed, folder: Path, state: str) -> Listed:
    """The line with what the files of the run say; damaged where they cannot be read or are not what they were."""
    line.state, line.size = state, size(folder)
    try:
        check_files(folder)
        directory = RunDirectory(folder)
        if state == DIVERGED:
            line.problem = visible(directory.diverged or "") or line.problem
        if directory.complete:
            directory.verify(UNALTERED)
        if (folder / Record.FILE).is_file():
            _say_record(line, directory.record())
        if (folder / "config.yaml").is_file() and line.method is None:
            _say_config(line, folder / "config.yaml")
        if (folder / Metrics.FILE).is_file():
            _say_scores(line, directory.metrics().metrics)
        elif line.kind == "evaluation" and (folder / EvaluationSettings.FILE).is_file():
            directory.settings()
    except (QftError, OSError) as error:
        line.state, line.problem = DAMAGED, visible(str(error))
    return line


def _say_record(line: Listed, record: Record) -> None:
    line.started, line.seed = visible(record.started), record.seed
    if record.data:
        line.data, line.n = line.data or visible(record.data.name), record.data.n
    if record.parameters:
        line.parameters = record.parameters.trainable
    if training := record.training:
        line.train_loss, line.validation_loss = training.train_loss_run_mean, training.validation_loss
        line.heldout_loss = training.heldout_loss


def _say_config(line: Listed, file: Path) -> None:
    """Method and data of config.yaml, for a run whose record does not say them (yet)."""
    try:
        content: Any = yaml.load(file.read_text(encoding="utf-8"), Loader=Loader)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise QftError(f"{file} cannot be read: {shortened(str(error))}") from error
    if not isinstance(content, dict):
        raise QftError(f"{file} is damaged: it holds no options.")
    adapter, data = content.get("adapter"), content.get("data")
    line.method = visible(str(adapter.get("name"))) if isinstance(adapter, dict) else None
    line.data = line.data or (visible(str(data.get("name"))) if isinstance(data, dict) else None)
    if isinstance(content.get("n"), int):
        line.n = content["n"]


def _say_scores(line: Listed, scores: Scores) -> None:
    if line.validation_loss is None and scores.validation:
        line.validation_loss = scores.validation.loss
    line.heldout_loss = scores.heldout_loss if line.heldout_loss is None else line.heldout_loss
    if name := main_score(scores):
        line.measure, line.score = visible(name), scores.test[name].value


def main_score(scores: Scores) -> str | None:
    """The one score that stands for all: accuracy where it is of every answer, else ROUGE-L, else the first."""
    known = {name: score.samples or 0 for name, score in scores.test.items() if score.value is not None}
    complete = [name for name, samples in known.items() if samples == max(known.values())]
    return next((name for name in (*MAIN, *complete) if name in complete), None)


def size(folder: Path) -> int:
    """Bytes of all files below a directory; links count as themselves."""
    total = 0
    for where, _, files in os.walk(folder, onerror=None):
        for name in files:
            try:
                total += Path(where, name).lstat().st_size
            except OSError:
                continue  # gone since it was listed
    return total
