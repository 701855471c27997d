"""How long a sweep will take, from the steps its finished cells took."""

import math
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qft.errors import QftError
from qft.records import read_json
from qft.sweeps import cells
from qft.sweeps.cells import Cell

START = 3.0  # seconds to start a process, load a small model and read the data


def steps_of(config: Mapping[str, Any]) -> int:
    """Optimizer steps of a run with this resolved config."""
    t = config["trainer"]
    train = config["n"] - max(1, config["n"] // 10)  # every tenth sample validates
    return t["max_steps"] or math.ceil(math.ceil(train / (t["batch_size"] * t["accumulation"])) * t["epochs"])


class Speed:
    """Seconds a step and seconds of answering, measured on finished cells, by row and over all.

    ``stated``: seconds a step where nothing has been measured yet; None: no estimate then.
    """

    def __init__(self, directory: Path, steps: Mapping[str, int], stated: float | None = None) -> None:
        self.directory, self.steps, self.stated = directory, steps, stated
        self.per_step: dict[str, list[float]] = defaultdict(list)
        self.answering: dict[str, list[float]] = defaultdict(list)
        self.seen: set[str] = set()

    def learn(self, cell: Cell) -> None:
        """Take in a finished cell."""
        if cell.name in self.seen or not cells.done(self.directory, cell):
            return
        self.seen.add(cell.name)
        folder = cells.folder(self.directory, cell.name)
        try:
            if cell.command == "train":
                trained = read_json(folder / "record.json")["training"]
                self._add(self.per_step, cell, trained["seconds"] / trained["steps"])
            if cell.test:
                self._add(self.answering, cell, read_json(folder / "metrics.json")["metrics"]["generation"]["seconds"])
        except (QftError, KeyError, TypeError, ZeroDivisionError):
            return  # an estimate is no reason to stop

    def _add(self, table: dict[str, list[float]], cell: Cell, value: float) -> None:
        for key in (cell.label, ""):
            table[key].append(value)

    def seconds(self, cell: Cell) -> float | None:
        """Expected seconds of a cell, or None where nothing is known."""
        total = START
        if cell.command == "train":
            step = _mean(self.per_step.get(cell.label) or self.per_step.get("")) or self.stated
            if step is None:
                return None
            total += self.steps[cell.name] * step
        if cell.test:
            total += _mean(self.answering.get(cell.label) or self.answering.get("")) or 0.0
        return total


def _mean(values: list[float] | None) -> float | None:
    return sum(values) / len(values) if values else None


def in_words(seconds: float | None) -> str:
    """40 s, 12 min, 3.5 h; a dash where it is not known."""
    if seconds is None:
        return "-"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
