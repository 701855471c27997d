"""How long a sweep will take, from the steps its finished cells took."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from qft.errors import QftError
from qft.records import Cell, CellState, RunDirectory
from qft.sweeps import cells, remaining

START = 3.0  # seconds to start a process, load a small model and read the data, before any was measured
TURNS = 20  # of fitting factors, which settle in a few
Pair = tuple[str, str]  # row, data set


def steps_of(config: Mapping[str, Any]) -> int:
    """Optimizer steps of a run with this resolved config."""
    t = config["trainer"]
    train = config["n"] - max(1, config["n"] // 10)  # every tenth sample validates
    limit: int | None = t["max_steps"]
    return limit or math.ceil(math.ceil(train / (t["batch_size"] * t["accumulation"])) * t["epochs"])


@dataclass(frozen=True)
class Took:
    """What a cell took, in seconds; None: it did no such thing, or nothing is known of it.

    ``training`` of ``steps`` optimizer steps, ``answering``, and the ``whole`` of it on the clock.
    """

    training: float | None = None
    steps: int = 0
    answering: float | None = None
    whole: float | None = None


class Speed:
    """Expected seconds of cells, from those that have ended.

    A cell takes ``overhead + steps x(row, data) + y(row, data)``: seconds a step and seconds of answering. Where a row
    has not run on a data set, x is taken to be the product of a factor of the row and one of the data set, fitted to
    what has; a row of which nothing has run counts as the mean of those of its method, else of all. Answers of a row
    that has given none take as long as those of others on the data set, the untuned base's among them, times the
    square root of how much longer a step of it takes: circuits slow down answers too, but less. As long as nothing
    has answered they count as half a training. The square root and the half are guesses of ours.

    ``stated``: seconds a step where nothing has been measured yet; None: no estimate then.
    """

    def __init__(self, directory: Path, steps: Mapping[str, int], stated: float | None = None) -> None:
        self.directory, self.steps, self.stated = directory, steps, stated
        self.per_step: dict[Pair, list[float]] = defaultdict(list)
        self.answering: dict[Pair, list[float]] = defaultdict(list)
        self.overheads: list[float] = []
        self.methods: dict[str, str] = {}  # row -> method
        self.seen: set[str] = set()

    def learn(self, cell: Cell) -> None:
        """Take in a cell of the directory, if it is finished."""
        if cell.name in self.seen or not cells.done(self.directory, cell):
            return
        run, state = RunDirectory(cells.folder(self.directory, cell.name)), cells.read_state(self.directory, cell.name)
        self.seen.add(cell.name)
        try:
            trained = run.record().training if cell.command == "train" else None
            answered = run.metrics().metrics.generation if cell.test else None
        except QftError:
            return  # an estimate is no reason to stop
        whole = None if state is None or state.taken_from else _on_the_clock(state)
        self.take(
            cell,
            Took(
                training=trained.seconds if trained else None,
                steps=trained.steps if trained else 0,
                answering=answered.seconds if answered else None,
                whole=whole,
            ),
        )

    def take(self, cell: Cell, took: Took) -> None:
        """Take in what a cell took."""
        self.seen.add(cell.name)
        self.methods[cell.label] = cell.adapter or ""
        if took.training is not None and took.steps:
            self.per_step[cell.label, cell.data].append(took.training / took.steps)
        if took.answering is not None:
            self.answering[cell.label, cell.data].append(took.answering)
        if took.whole is not None and (rest := took.whole - (took.training or 0.0) - (took.answering or 0.0)) > 0:
            self.overheads.append(rest)

    @property
    def measured(self) -> bool:
        """Whether a step was measured, or all is a guess from ``stated``."""
        return bool(self.per_step)

    def seconds(self, cell: Cell) -> float | None:
        """Expected seconds of a cell, or None where nothing is known."""
        total = sum(self.overheads) / len(self.overheads) if self.overheads else START
        training = 0.0
        if cell.command == "train":
            step = self.step(cell) or self.stated
            if step is None:
                return None
            training = self.steps.get(cell.name, 0) * step
        return total + training + (self._answering(cell, training) if cell.test else 0.0)

    def remaining(
        self, plan: Sequence[Cell], states: Mapping[str, str], since: Mapping[str, float], workers: int
    ) -> float | None:
        """Seconds until a sweep is done; None where nothing is known.

        Args:
            plan: all of its cells.
            states: name -> done, failed, diverged or whatever else; a cell without one has not run.
            since: name -> seconds since a running cell was started.
            workers: how many run at a time.
        """
        left = remaining.left(plan, states)
        expected = {cell.name: self.seconds(cell) for cell in left}
        known = {name: seconds for name, seconds in expected.items() if seconds is not None}
        return None if len(known) < len(expected) else remaining.seconds(left, known, since, workers)

    def step(self, cell: Cell) -> float | None:
        """Expected seconds a step; None where nothing has trained."""
        return _expected(self.per_step, cell, self.methods)

    def _answering(self, cell: Cell, training: float) -> float:
        here = self.answering.get((cell.label, cell.data))
        if here:
            return sum(here) / len(here)
        if not self.answering:
            return training / 2
        slower = {label: self._slowness(label, cell) for label in {*(label for label, _ in self.answering), cell.label}}
        plain = {
            (label, data): [value / slower[label] for value in values]
            for (label, data), values in self.answering.items()
        }
        return (_expected(plain, cell, self.methods) or 0.0) * slower[cell.label]

    def _slowness(self, label: str, cell: Cell) -> float:
        """By how much answers of a row take longer than the base's; 1 for a row that trains nothing."""
        if self.methods.get(label, cell.adapter if label == cell.label else "") in ("", "base"):
            return 1.0
        steps = {row: _expected(self.per_step, replace(cell, label=row), self.methods) for row, _ in self.per_step}
        fastest = min((s for s in steps.values() if s), default=None)
        own = _expected(self.per_step, replace(cell, label=label), self.methods)
        return math.sqrt(own / fastest) if fastest and own else 1.0


def _expected(table: Mapping[Pair, list[float]], cell: Cell, methods: Mapping[str, str]) -> float | None:
    """The value of a row on a data set: its own mean, else a factor of the row times one of the data set."""
    if own := table.get((cell.label, cell.data)):
        return sum(own) / len(own)
    if not table:
        return None
    logs = {pair: math.log(max(sum(v) / len(v), 1e-9)) for pair, v in table.items()}
    of_row, of_data = _factors(logs)
    row = of_row.get(cell.label)
    if row is None:
        kin = [value for label, value in of_row.items() if methods.get(label) == (cell.adapter or "")]
        row = math.log(sum(map(math.exp, kin or of_row.values())) / len(kin or of_row))
    data = of_data.get(cell.data)
    if data is None:
        data = math.log(sum(map(math.exp, of_data.values())) / len(of_data))
    return math.exp(row + data)


def _factors(logs: Mapping[Pair, float]) -> tuple[dict[str, float], dict[str, float]]:
    """Logarithms of a factor a row and one a data set whose sums are nearest to those given, by turns."""
    of_row = dict.fromkeys((row for row, _ in logs), 0.0)
    of_data = dict.fromkeys((data for _, data in logs), 0.0)
    for _ in range(TURNS):
        for data in of_data:
            rest = [value - of_row[row] for (row, d), value in logs.items() if d == data]
            of_data[data] = sum(rest) / len(rest)
        for row in of_row:
            rest = [value - of_data[data] for (r, data), value in logs.items() if r == row]
            of_row[row] = sum(rest) / len(rest)
    return of_row, of_data


def _on_the_clock(state: CellState) -> float | None:
    """Seconds from start to end of an only attempt; None where there were several, or no clock can say."""
    if len(state.attempts) != 1 or state.attempts[0].ended is None:
        return None
    try:
        start, end = (datetime.fromisoformat(t) for t in (state.attempts[0].started, state.attempts[0].ended))
        return (end - start).total_seconds()
    except (ValueError, TypeError):
        return None


def in_words(seconds: float | None) -> str:
    """40 s, 12 min, 3.5 h; a dash where it is not known."""
    if seconds is None:
        return "-"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
