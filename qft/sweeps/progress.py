"""What a sweep shows while it runs: a bar for each running cell and one for all, or plain lines.

Both are read from the cells' own files (history.csv, predictions.jsonl), so they are right for any launcher.
"""

import logging
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any

from qft.errors import QftError
from qft.names import visible
from qft.records import Cell, CellState, read_history
from qft.sweeps import cells
from qft.sweeps.estimate import Speed, in_words

log = logging.getLogger(__name__)


class Progress(AbstractContextManager["Progress"]):
    """Bars on a terminal, one line a finished cell elsewhere."""

    def __init__(self, directory: Path, plan: list[Cell], steps: Mapping[str, int], speed: Speed, workers: int) -> None:
        self.directory, self.plan, self.steps, self.speed, self.workers = directory, plan, steps, speed, workers
        self.running: dict[str, tuple[Cell, float]] = {}
        self.left = {c.name: c for c in plan if not cells.done(directory, c)}
        self.live: Any = None
        self.lock = threading.RLock()  # cells end in several threads, bars are drawn in another
        for cell in plan:
            speed.learn(cell)

    def __enter__(self) -> "Progress":
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            console = Console(stderr=True)
            self.live = Live(console=console, get_renderable=self._bars, refresh_per_second=2, transient=True)
            self.live.start()
            _through(console)
        return self

    def __exit__(self, kind: type | None, value: BaseException | None, trace: TracebackType | None) -> None:
        if self.live is not None:
            self.live.stop()
            _through(None)

    def start(self, cell: Cell) -> None:
        """The cell's process is about to start."""
        with self.lock:
            self.running[cell.name] = (cell, time.monotonic())
        if self.live is None:
            log.info("start  %s", cell.name)

    def forget(self, cell: Cell) -> None:
        """The cell needs no run any more."""
        with self.lock:
            self.left.pop(cell.name, None)

    def finish(self, cell: Cell) -> None:
        """The cell's process has ended; says at once what became of it."""
        with self.lock:
            level, text = self._finished(cell)
        log.log(level, "%s", text)  # not under the lock: a line above the bars waits for whoever draws them

    def _finished(self, cell: Cell) -> tuple[int, str]:
        _, started = self.running.pop(cell.name)
        state = cells.read_state(self.directory, cell.name) or CellState(cell.id, "failed")
        if state.state == "done":
            self.left.pop(cell.name, None)
            self.speed.learn(cell)
        if state.state == "failed":
            return logging.ERROR, f"FAILED {cell.name}: {state.error}"
        if state.state == cells.DIVERGED:
            self.left.pop(cell.name, None)
            return logging.WARNING, f"DIVERGED {cell.name}: {state.error}"
        seconds = in_words(time.monotonic() - started)
        count = f"{len(self.plan) - len(self.left)}/{len(self.plan)} cells"
        return logging.INFO, f"{state.state:<6} {cell.name} after {seconds}; {count}, {self.remaining()} left"

    def remaining(self) -> str:
        """Expected time until all is done, in words."""
        states = {c.name: cells.state_of(self.directory, c) or "" for c in self.left.values()}
        states |= {c.name: "done" for c in self.plan if c.name not in self.left} | dict.fromkeys(
            self.running, "running"
        )
        now = time.monotonic()
        since = {name: now - started for name, (_, started) in list(self.running.items())}
        seconds = self.speed.remaining(self.plan, states, since, self.workers)
        return "unknown time" if seconds is None else in_words(seconds)

    def _bars(self) -> Any:
        with self.lock:
            return self._drawn()

    def _drawn(self) -> Any:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text  # a name is no markup

        table = Table.grid(padding=(0, 1))
        for cell, started in list(self.running.values()):
            share, text = part(self.directory, cell, self.steps.get(cell.name, 0))
            bar = ProgressBar(total=1.0, completed=share, width=24)
            table.add_row(Text(visible(cell.name)), bar, text, in_words(time.monotonic() - started))
        finished = len(self.plan) - len(self.left)
        bar = ProgressBar(total=len(self.plan), completed=finished, width=24)
        table.add_row("sweep", bar, f"{finished}/{len(self.plan)} cells", f"{self.remaining()} left")
        return table


def part(directory: Path, cell: Cell, steps: int) -> tuple[float, str]:
    """How far a running cell is: a share from 0 to 1, and in words. ``steps``: of the whole training."""
    folder = cells.folder(directory, cell.name)
    answers = _lines(folder / "predictions.jsonl")
    if answers or cell.command == "eval":
        return (0.9 if cell.command == "train" else 0.5), f"{answers} answers"
    step, _ = last_step(folder / "history.csv")
    return (0.9 if cell.test else 1.0) * min(1.0, step / max(steps, 1)), f"step {step}/{steps}"


def _through(console: Any) -> None:
    """Let log lines pass above the bars, or go to standard error as before."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
            handler.setStream(_Above(console) if console is not None else sys.stderr)


class _Above:
    """A text stream whose lines are printed above the bars."""

    def __init__(self, console: Any) -> None:
        self.console = console

    def write(self, text: str) -> None:
        if text.strip():
            self.console.print(text.rstrip("\n"), markup=False, highlight=False, soft_wrap=True)

    def flush(self) -> None:
        self.console.file.flush()


def _lines(path: Path) -> int:
    try:
        return path.read_bytes().count(b"\n")
    except OSError:
        return 0


def last_step(path: Path) -> tuple[int, float | None]:
    """Step and seconds of the last row of history.csv; 0 and None where there is none."""
    try:
        rows = read_history(path)
    except (QftError, OSError):
        return 0, None
    return (rows[-1].step, rows[-1].seconds) if rows else (0, None)
