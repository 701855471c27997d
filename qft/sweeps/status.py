"""How far a sweep is, read from its directory by whoever asks, while another process runs it or none does."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from qft.errors import QftError
from qft.process.locks import is_free
from qft.records import Attempt, Cell, Identities, SweepPlan, read
from qft.sweeps import attempt, cells
from qft.sweeps.estimate import Speed, Took, steps_of
from qft.sweeps.progress import last_step, part

RECENT = 40  # attempts that tell how many run at a time
NOT_RUN = "not run"


@dataclass(frozen=True)
class Running:
    """A cell that a process has in hand: how far it is, a share from 0 to 1 and in words, and since when."""

    name: str
    share: float
    words: str
    seconds: float


@dataclass(frozen=True)
class Status:
    """A sweep at this moment.

    Attributes:
        alive: whether a process runs the sweep.
        counts: state -> cells.
        running: what runs.
        problems: cell -> why it has no result.
        workers: cells that run at a time, as far as can be seen.
        seconds: expected until all is done; None where nothing is known.
        guessed: whether no answers have been timed yet, so that their time is a guess.
    """

    directory: str
    alive: bool
    counts: dict[str, int]
    running: list[Running]
    problems: dict[str, str]
    workers: int
    seconds: float | None
    guessed: bool

    @property
    def total(self) -> int:
        """Planned cells."""
        return sum(self.counts.values())


def status(directory: Path, now: datetime | None = None) -> Status:
    """Read a sweep's directory.

    Args:
        directory: the sweep's.
        now: the time, aware of its zone; None: this moment.

    Raises:
        QftError: It is no sweep, or its plan is damaged. A damaged cell counts as such.
    """
    if not (directory / SweepPlan.FILE).is_file():
        raise QftError(f"{directory} is not a sweep directory: it has no {SweepPlan.FILE}.")
    plan = read(directory / SweepPlan.FILE, SweepPlan).cells
    now = now or datetime.now().astimezone()
    steps = _steps(directory, plan)
    speed = Speed(directory, steps)
    states: dict[str, str] = {}
    problems: dict[str, str] = {}
    since: dict[str, float] = {}
    attempts: list[Attempt] = []
    for cell in plan:
        try:
            state = cells.read_state(directory, cell.name)
        except QftError as error:
            states[cell.name], problems[cell.name] = "damaged", str(error)
            continue
        if state is None:
            continue
        states[cell.name] = state.state
        attempts += state.attempts
        if state.state in cells.WITHOUT_RESULT and cell.role != "search":
            problems[cell.name] = state.error or state.state
        if state.state == "running":
            if attempt.free(directory, cell.name):
                states[cell.name] = "interrupted"
            else:
                since[cell.name] = max(0.0, (now - _time(state.attempts[-1].started, now)).total_seconds())
    for cell in plan:
        if states.get(cell.name) == "done":
            speed.learn(cell)
    running = [_running(directory, cell, steps.get(cell.name, 0), since[cell.name], speed) for cell in plan
               if cell.name in since]  # fmt: skip
    workers = max(len(since), _side_by_side(attempts, now), 1)
    counts = Counter(states.get(cell.name, NOT_RUN) for cell in plan)
    seconds = speed.remaining(plan, states, since, workers)
    guessed = not speed.answering and any(c.test and states.get(c.name) != "done" for c in plan)
    alive = not is_free(directory / ".lock")
    return Status(str(directory), alive, dict(counts), running, problems, workers, seconds, guessed)


def _running(directory: Path, cell: Cell, steps: int, seconds: float, speed: Speed) -> Running:
    """A cell in hand, from whose steps so far the estimate learns."""
    step, trained = last_step(cells.folder(directory, cell.name) / "history.csv")
    if step and trained:
        speed.take(cell, Took(training=trained, steps=step))
    share, words = part(directory, cell, steps)
    return Running(cell.name, share, words, seconds)


def _steps(directory: Path, plan: Sequence[Cell]) -> dict[str, int]:
    """Optimizer steps of each training cell, from the configs that are kept with what decided it."""
    if not (directory / Identities.FILE).is_file():
        return {}
    known = read(directory / Identities.FILE, Identities).cells
    steps: dict[str, int] = {}
    for cell in plan:
        if cell.command == "train" and cell.name in known:
            try:
                steps[cell.name] = steps_of(known[cell.name].config)
            except (KeyError, TypeError, ValueError, ZeroDivisionError):
                continue  # of a stranger's file
    return steps


def _side_by_side(attempts: Sequence[Attempt], now: datetime) -> int:
    """How many of the last attempts ran at once."""
    spans = [(_time(a.started, now), _time(a.ended, now)) for a in attempts if a.ended]
    changes: list[tuple[datetime, int]] = []
    for start, end in sorted(spans)[-RECENT:]:
        if end - start >= timedelta(seconds=2):  # the clock has whole seconds
            changes += [(start, 1), (end, -1)]
    most = count = 0
    for _, change in sorted(changes):
        count += change
        most = max(most, count)
    return most


def _time(text: str, otherwise: datetime) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        return otherwise


def percent(counts: Mapping[str, int]) -> float:
    """Cells that have ended with a result, in percent of those planned."""
    return 100 * counts.get("done", 0) / max(1, sum(counts.values()))
