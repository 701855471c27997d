"""When a sweep will be done: what is left of it, laid out on its workers in the order in which it runs.

A sweep runs phase after phase (the base, searches, final runs, their evaluations), and within one as many cells at a
time as it has workers. Its end is therefore later than the sum over its workers says: the last cell of a phase is
waited for.
"""

import heapq
from collections.abc import Iterable, Mapping, Sequence

from qft.records import Cell
from qft.sweeps.cells import DIVERGED, WITHOUT_RESULT

LEAST = 0.05  # of a cell's time that is left of one which has run longer than was expected
CHAIN = 20  # cells that build on one another; a search and what follows are eight
PHASES = (("base", "eval"), ("search", "train"), ("final", "train"), ("final", "eval"))


def left(plan: Sequence[Cell], states: Mapping[str, str]) -> list[Cell]:
    """The cells that will still run: those without a result, and what waits for one, do not.

    Args:
        plan: all cells.
        states: name -> done, failed, diverged, running or whatever else; one without has not run.
    """
    ended = {"done", *WITHOUT_RESULT}
    lost = {c.name for c in plan if states.get(c.name) in WITHOUT_RESULT and not _is_no_loss(c, states)}
    changed = True
    while changed:
        held_back = {c.name for c in plan if c.name not in lost and states.get(c.name) != "done" and lost & {*c.after}}
        lost |= held_back
        changed = bool(held_back)
    return [c for c in plan if states.get(c.name) not in ended and c.name not in lost]


def _is_no_loss(cell: Cell, states: Mapping[str, str]) -> bool:
    """A trial of a search that diverged has ended: its rate is not chosen."""
    return cell.role == "search" and states.get(cell.name) == DIVERGED


def in_order(cells: Sequence[Cell], steps: Mapping[str, int]) -> list[Cell]:
    """Cells of one phase as they are begun: one of each row and data set first, which tells how long the others take.

    Then the long ones, so that none is left alone at the end. ``steps``: name -> optimizer steps.
    """
    ranked = sorted(cells, key=lambda c: -steps.get(c.name, 0))
    first = {(c.label, c.data): c.name for c in reversed(ranked)}
    return sorted(ranked, key=lambda c: first[c.label, c.data] != c.name)


def seconds(cells: Sequence[Cell], expected: Mapping[str, float], running: Mapping[str, float], workers: int) -> float:
    """Seconds until all are done.

    Args:
        cells: what is left, in the order of the plan.
        expected: name -> seconds of a whole cell.
        running: name -> seconds since it was started; none of those is expected to end at once.
        workers: how many run at a time.
    """
    depth = _depths(cells)
    phases: dict[tuple[int, int], list[float]] = {}
    for cell in cells:
        place = PHASES.index((cell.role, cell.command)) if (cell.role, cell.command) in PHASES else len(PHASES)
        rest = expected[cell.name]
        if cell.name in running:
            rest = max(rest - running[cell.name], LEAST * rest)
        phases.setdefault((place, depth[cell.name]), []).append(rest)
    return sum(_makespan(durations, workers) for _, durations in sorted(phases.items()))


def _depths(cells: Sequence[Cell]) -> dict[str, int]:
    """How many cells of what is left have to end one after the other before each."""
    depth = {c.name: 0 for c in cells}
    for _ in range(CHAIN):
        deeper = {c.name: max((depth[a] + 1 for a in c.after if a in depth), default=0) for c in cells}
        if deeper == depth:
            break
        depth = deeper
    return depth


def _makespan(durations: Iterable[float], workers: int) -> float:
    """When the last of them ends, the longest begun first, each by the first worker that is free."""
    free = [0.0] * max(1, workers)
    for duration in sorted(durations, reverse=True):
        heapq.heappush(free, heapq.heappop(free) + duration)
    return max(free)
