"""Runs what is left of a sweep: bases and searches, then final runs, then their further evaluations.

joblib keeps ``workers`` threads busy; each hands its cell to the launcher and waits. What became of a cell is read
from its directory, never from the process, so a sweep that is killed at any moment resumes from what lies there.
"""

import logging
import queue
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from qft.errors import QftError
from qft.process import files, locks
from qft.process.signals import DeferredStop
from qft.records import Cell, Identity
from qft.sweeps import cells, looks
from qft.sweeps.attempt import free
from qft.sweeps.estimate import Speed
from qft.sweeps.launch import Launcher, Left, died
from qft.sweeps.progress import Progress
from qft.sweeps.remaining import in_order
from qft.sweeps.search import choose
from qft.sweeps.shared import Trials, trial_id
from qft.sweeps.spec import Row

log = logging.getLogger(__name__)
SEARCH = (("search", "train"),) * 3  # later trials build on earlier ones
PHASES = (("base", "eval"), *SEARCH, ("final", "train"), ("final", "eval"))  # bases tell how long answers take


@dataclass(frozen=True)
class PlannedSweep:
    """A planned sweep in its directory. ``steps``: optimizer steps of each training cell, by name.

    ``others``: the trials of other sweeps that may be taken over; ``identities``: what decides each cell, by name;
    ``rows``: by key; ``later``: cells of seeds that later looks may need.
    """

    directory: Path
    name: str
    scale: str
    command: str
    plan: list[Cell]
    steps: Mapping[str, int]
    stated: float | None = None
    identities: Mapping[str, Identity] = field(default_factory=dict)
    others: Trials = field(default_factory=lambda: Trials([]))
    rows: Mapping[str, Row] = field(default_factory=dict)
    later: list[Cell] = field(default_factory=list)

    @property
    def looks(self) -> int:
        """At how many looks seeds may be added; 1: they are fixed."""
        return max((cell.look for cell in (*self.plan, *self.later)), default=1)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """One process a sweep directory. Raises QftError where another has it."""
    for inner in ("cells", "logs", ".locks"):
        if (directory / inner).is_symlink():
            raise QftError(f"{directory / inner} is a link: what a sweep writes must lie in its own directory.")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        file = locks.lock(directory / ".lock")
    except BlockingIOError:
        raise QftError(f"{directory} is in use by another process.") from None
    except OSError as error:
        raise QftError(f"{directory} cannot be used as a sweep directory: {files.reason(error)}.") from error
    with file:
        files.remove_leftovers(directory)
        yield


def run(sweep: PlannedSweep, launcher: Launcher, workers: int, retry: str | None) -> None:
    """Run every cell that is not done, failed or diverged (``retry`` names one of the last two: those too).

    Told to stop, it starts nothing new and raises Stopped once running cells have saved; Ctrl-C twice kills them.
    """
    speed = Speed(sweep.directory, sweep.steps, sweep.stated)
    stop = DeferredStop(raise_second=False)
    for cell in (*sweep.plan, *sweep.later):
        if cells.state_of(sweep.directory, cell) == "running" and free(sweep.directory, cell.name):
            cells.end(sweep.directory, cell, "interrupted")  # its process was killed
    everything = (*sweep.plan, *sweep.later)
    old = {c.name for c in everything if retry is not None and cells.state_of(sweep.directory, c) == retry}
    open_pairs: list[looks.Pair] | None = None
    with stop:
        _phases(sweep, launcher, workers, stop, speed, old)
        for look in range(2, sweep.looks + 1):
            open_pairs = looks.undecided(sweep.directory, sweep.plan, sweep.rows, open_pairs)
            groups = {(key, pair.data, pair.n) for pair in open_pairs for key in (pair.row, pair.other)}
            more = [c for c in sweep.later if c.look == look and (c.key, c.data, c.n) in groups]
            log.info("look %d: %d comparisons undecided, %d cells more", look - 1, len(open_pairs), len(more))
            if not more:
                break
            sweep.plan.extend(more)
            _phases(sweep, launcher, workers, stop, speed, old)


def _phases(
    sweep: PlannedSweep, launcher: Launcher, workers: int, stop: DeferredStop, speed: Speed, retried: set[str]
) -> None:
    """Run what is planned by now, in the order in which cells build on one another."""
    with Progress(sweep.directory, sweep.plan, sweep.steps, speed, workers) as progress:
        for role, command in PHASES:
            remarks = choose(sweep.directory, sweep.plan)
            _share(sweep)
            cells.save_plan(sweep.directory, sweep.name, sweep.scale, sweep.command, sweep.plan, looks=sweep.looks)
            for remark in remarks if (role, command) == ("final", "train") else ():
                log.warning("%s", remark)
            ready = [c for c in sweep.plan if (c.role, c.command) == (role, command) and _ready(sweep, c, retried)]
            ready = in_order(ready, sweep.steps)
            _all(sweep, ready, launcher, workers, stop, progress)
            stop.check()


def _ready(sweep: PlannedSweep, cell: Cell, retried: set[str]) -> bool:
    """Whether a cell is to be run now: not done, not failed or diverged before, and what it builds on has ended."""
    ended = cells.state_of(sweep.directory, cell) in cells.WITHOUT_RESULT and cell.name not in retried
    if cells.done(sweep.directory, cell) or ended:
        return False
    by_name = {c.name: c for c in sweep.plan}
    built_on = all(cells.searched(sweep.directory, by_name[name]) for name in cell.after)
    return built_on and not (cell.after and cell.command == "train" and cell.lr is None)


def _share(sweep: PlannedSweep) -> None:
    """Name the trials whose rates are known by what decides their results, so that other sweeps find them."""
    for cell in sweep.plan:
        if cell.role == "search" and cell.lr is not None and cell.name in sweep.identities:
            cell.trial_id = trial_id(sweep.identities[cell.name], cell.lr)


def _taken(sweep: PlannedSweep, cell: Cell) -> bool:
    """Whether it is a trial that another sweep has run by now, whose result is this sweep's then."""
    return (
        cell.role == "search"
        and bool(cell.trial_id)
        and sweep.others.take(sweep.directory, cell, sweep.identities[cell.name])
    )


def _all(
    sweep: PlannedSweep, ready: list[Cell], launcher: Launcher, workers: int, stop: DeferredStop, progress: Progress
) -> None:
    """Run these cells, ``workers`` at a time; none is started once ``stop`` has noted a signal."""
    from joblib import Parallel, delayed

    def one(cell: Cell) -> Cell:
        if stop.number is None:
            if _taken(sweep, cell):
                progress.forget(cell)
                return cell
            progress.start(cell)
            try:
                ended = launcher.run(cell)
            except Left:
                return cell
            if ended is not None:
                died(sweep.directory, cell, ended, "failed" if stop.number is None else "interrupted")
            progress.finish(cell)
        return cell

    calls = (delayed(one)(cell) for cell in ready)
    parallel = Parallel(n_jobs=workers, backend="threading", return_as="generator_unordered", pre_dispatch=workers)
    finished: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()

    def consume() -> None:
        try:
            for _ in parallel(calls):
                pass
            finished.put(None)
        except BaseException as error:
            finished.put(error)

    # joblib in a thread of its own: with one worker it would run cells in this one, which has to hear signals
    threading.Thread(target=consume, daemon=True).start()
    told = killed = False
    while True:
        if stop.number is not None and not told:
            told = True
            launcher.interrupt(stop.number)
        if stop.repeated and not killed:
            killed = True
            launcher.kill()
        try:
            error = finished.get(timeout=0.2)
            break
        except queue.Empty:
            continue
    if error is not None:
        raise error
