"""A cell of a sweep: one run as data, what decides its result, and what became of it.

``DIR/sweep.json`` lists the cells, ``DIR/cells/NAME/`` is the run directory of one and ``cell.json`` in it says what
became of it (``qft.records.sweep``).
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from qft.errors import QftError
from qft.process.locks import is_free
from qft.records import (
    Attempt,
    Cell,
    CellState,
    Choices,
    LeftOut,
    SweepPlan,
    now,
    read,
    removal,
    write,
)

DIVERGED = "diverged"  # the state of a cell whose loss became NaN or infinite; repeated, it would do so again
WITHOUT_RESULT = ("failed", DIVERGED)  # run again only with retry=
# what a sweep writes into its directory
FILES = (".lock", ".locks", ".slurm", "cells", "choices.json", "identities.json", "logs", "sweep.json")


def folder(directory: Path, name: str) -> Path:
    """The run directory of a cell."""
    return directory / "cells" / name


def read_state(directory: Path, name: str) -> CellState | None:
    """cell.json of a cell, or None where it has not been run. Raises QftError where it is damaged."""
    path = folder(directory, name) / CellState.FILE
    return read(path, CellState) if path.exists() else None


def state_of(directory: Path, cell: Cell) -> str | None:
    """What became of the cell; None where it has not been run."""
    state = read_state(directory, cell.name)
    return state.state if state else None


def done(directory: Path, cell: Cell) -> bool:
    """Whether the cell has been run to its end as it is planned now."""
    state = read_state(directory, cell.name)
    return state is not None and state.state == "done" and state.id == cell.id


def searched(directory: Path, cell: Cell) -> bool:
    """Whether the search of a learning rate has ended, with a finite loss or by diverging."""
    return done(directory, cell) or (cell.role == "search" and state_of(directory, cell) == DIVERGED)


def remove(directory: Path, names: Sequence[str]) -> None:
    """Remove the run directories of cells that are to be run with other settings.

    Raises:
        QftError: One of them is being run, or is not where a sweep keeps its cells; nothing is removed then.
    """
    for name in names:
        if not is_free(directory / ".locks" / name):  # a job that outlived its sweep
            raise QftError(f"{name} is being run with other settings; stop that process or job (scancel) first.")
        removal.check(folder(directory, name), directory / "cells")
    for name in names:
        shutil.rmtree(folder(directory, name))


def begin(directory: Path, cell: Cell) -> None:
    """Note the start of an attempt; one whose process is gone was interrupted."""
    state = read_state(directory, cell.name)
    attempts = state.attempts if state else []
    for attempt in attempts:
        if attempt.state == "running":
            attempt.state = "interrupted"
    _write(directory, cell, "running", None, [*attempts, Attempt(started=now())])


def end(directory: Path, cell: Cell, ended: str, error: str | None = None, taken_from: str | None = None) -> None:
    """Note how an attempt ended: done, failed, diverged or interrupted; ``taken_from``: the sweep that ran it."""
    state = read_state(directory, cell.name)
    attempts = state.attempts if state and state.attempts else [Attempt(started=now())]
    attempts[-1].ended, attempts[-1].state, attempts[-1].error = now(), ended, error
    _write(directory, cell, ended, error, attempts, taken_from)


def _write(
    directory: Path,
    cell: Cell,
    state: str,
    error: str | None,
    attempts: list[Attempt],
    taken_from: str | None = None,
) -> None:
    path = folder(directory, cell.name)
    path.mkdir(parents=True, exist_ok=True)
    written = CellState(cell.id, state, cell.name, error, attempts, taken_from)
    write(path / CellState.FILE, written)


def save_plan(
    directory: Path,
    name: str,
    scale: str,
    command: str,
    cells: list[Cell],
    afresh: bool = False,
    left_out: Sequence[LeftOut] = (),
    looks: int = 1,
) -> None:
    """Write sweep.json; ``command`` plans the same cells again.

    What an earlier command planned of this sweep stays, with its choices, unless ``afresh``: running a part again
    does not make the rest disappear from reports.
    """
    path = directory / SweepPlan.FILE
    old = read(path, SweepPlan) if path.exists() else SweepPlan(name, scale, [])
    if afresh or (old.name, old.scale) != (name, scale):
        old = SweepPlan(name, scale, [])
        (directory / Choices.FILE).unlink(missing_ok=True)
    gone = {(row.key, row.data) for row in left_out}
    new, before = {c.name: c for c in cells}, {c.name: c for c in old.cells if (c.key, c.data) not in gone}
    if new.keys() <= before.keys():
        merged, commands = before | new, command if len(new) == len(before) else old.command or command
    else:
        rest = {k: c for k, c in before.items() if k not in new}
        merged, commands = new | rest, f"{old.command} && {command}" if rest else command
    rows = {(c.key, c.data) for c in cells}
    absent = {(row.key, row.data): row for row in old.left_out if (row.key, row.data) not in rows}
    absent |= {(row.key, row.data): row for row in left_out}
    write(path, SweepPlan(name, scale, list(merged.values()), commands, list(absent.values()), max(looks, old.looks)))
