"""How long a sweep will take, from the steps its finished cells took."""

import math
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qft.errors import QftError
from qft.records import Cell, RunDirectory
from qft.sweeps import cells

START = 3.0  # seconds to start a process, load a small model and read the data


def steps_of(config: Mapping[str, Any]) -> int:
    """Optimizer steps of a run with this resolved config."""
    t = config["trainer"]
    train = config["n"] - max(1, config["n"] // 10)  # every tenth sample validates
    limit: int | None = t["max_steps"]
    return limit or math.ceil(math.ceil(train / (t["batch_size"] * t["accumulation"])) * t["epochs"])


class Speed:
    """Seconds a step and seconds of answering, measured on the finished cells that are most like a cell.

    ``stated``: seconds a step where nothing has been measured yet; None: no estimate then.
    """

    def __init__(self, directory: Path, steps: Mapping[str, int], stated: float | None = None) -> None:
        self.directory, self.steps, self.stated = directory, steps, stated
        self.per_step: dict[tuple[str, ...], list[float]] = defaultdict(list)
        self.answering: dict[tuple[str, ...], list[float]] = defaultdict(list)
        self.seen: set[str] = set()

    def learn(self, cell: Cell) -> None:
        """Take in a finished cell."""
        if cell.name in self.seen or not cells.done(self.directory, cell):
            return
        self.seen.add(cell.name)
        run = RunDirectory(cells.folder(self.directory, cell.name))
        try:
            if cell.command == "train" and (trained := run.record().training) and trained.steps:
                _add(self.per_step, cell, trained.seconds / trained.steps)
            if cell.test and (answered := run.metrics().metrics.generation):
                _add(self.answering, cell, answered.seconds)
        except QftError:
            return  # an estimate is no reason to stop

    @property
    def measured(self) -> bool:
        """Whether a step was measured, or all is a guess from ``stated``."""
        return bool(self.per_step)

    def seconds(self, cell: Cell) -> float | None:
        """Expected seconds of a cell, or None where nothing is known."""
        total = START
        if cell.command == "train":
            step = _mean(self.per_step, cell) or self.stated
            if step is None:
                return None
            total += self.steps[cell.name] * step
        if cell.test:
            total += _mean(self.answering, cell) or 0.0
        return total


def _like(cell: Cell) -> list[tuple[str, ...]]:
    """What a cell shares with others, the closest first: how long texts are decides more than the method."""
    return [(cell.label, cell.data), ("", cell.data), (cell.label,), ()]


def _add(table: dict[tuple[str, ...], list[float]], cell: Cell, value: float) -> None:
    for key in _like(cell):
        table[key].append(value)


def _mean(table: Mapping[tuple[str, ...], list[float]], cell: Cell) -> float | None:
    values = next((table[key] for key in _like(cell) if key in table), None)
    return sum(values) / len(values) if values else None


def in_words(seconds: float | None) -> str:
    """40 s, 12 min, 3.5 h; a dash where it is not known."""
    if seconds is None:
        return "-"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
