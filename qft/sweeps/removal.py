"""Deletes runs and sweeps of ours as a whole: ``qft rm``. Everything is checked before anything goes.

A directory is renamed first (``.NAME.PID.tmp``), so that one that was being deleted never passes for a run.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from qft.errors import QftError
from qft.names import shortened
from qft.process import files
from qft.process.locks import is_free, lock_existing
from qft.records import CellState, SweepPlan, read, removal
from qft.runs import names
from qft.sweeps import cells

REPORTED = ("report.html", "tables")  # what qft report adds to a sweep
FORMS = (".md", ".csv", ".tex")  # of a table
NEVER = "Remove it yourself if it is to go."


@dataclass(frozen=True)
class Doomed:
    """A directory that may be deleted.

    Attributes:
        held: the lock file that is held while it goes.
        free: other lock files that nobody may hold.
    """

    path: Path
    sweep: bool
    held: Path
    free: tuple[Path, ...] = ()


def check(folders: Sequence[Path]) -> list[Doomed]:
    """What of these may be deleted, each once; a cell of a sweep that goes anyway is left out.

    Raises:
        QftError: One is no run or sweep of ours, is a link, holds other files, or is in use.
    """
    unique = list({folder.resolve(): folder for folder in folders}.values())
    inner = {f for f in unique for g in unique if f != g and f.resolve().is_relative_to(g.resolve())}
    doomed = [_sweep(f) if names.is_sweep(f) else _run(f) for f in unique if f not in inner]
    for each in doomed:
        with _held(each):
            pass
    return doomed


def remove(doomed: Sequence[Doomed]) -> None:
    """Delete them, one after the other. Raises QftError for one that a process has begun to use."""
    for each in doomed:
        with _held(each):
            going = each.path.with_name(f".{each.path.name[:200]}.{os.getpid()}.tmp")
            try:
                files.replace(each.path, going)
                shutil.rmtree(going)
            except OSError as error:
                raise QftError(f"{each.path} cannot be deleted: {error.strerror}.") from error


def _run(path: Path) -> Doomed:
    removal.check(path, path.parent, "qft rm")
    cell = (path / CellState.FILE).is_file() and names.is_sweep(path.parent.parent)
    return Doomed(path, False, path / ".lock", (path.parent.parent / ".locks" / path.name,) if cell else ())


def _sweep(path: Path) -> Doomed:
    if path.is_symlink():
        raise QftError(f"{path} is a link: nothing was deleted. {NEVER}")
    plan = read(path / SweepPlan.FILE, SweepPlan)
    others = removal.foreign(path, (*cells.FILES, *REPORTED))
    others += [f"tables/{name}" for name in _not_tables(path / "tables")]
    others += [f"logs/{name}" for name in _not_logs(path / "logs")]
    if others:
        raise QftError(f"{path} holds {shortened(others[0])}, which qft did not write: nothing was deleted. {NEVER}")
    inner = sorted((path / "cells").iterdir()) if (path / "cells").is_dir() else []
    for cell in inner:
        if not cell.match(".*.tmp"):
            removal.check(cell, path / "cells", "qft rm")
    of_cells = [*(path / ".locks" / cell.name for cell in plan.cells), *(cell / ".lock" for cell in inner)]
    return Doomed(path, True, path / ".lock", tuple(of_cells))


def _not_tables(folder: Path) -> list[str]:
    """Files of tables/ that no report writes: each of its tables has all forms."""
    if not folder.is_dir() or folder.is_symlink():
        return [""] if folder.is_symlink() else []
    return sorted(
        f.name
        for f in folder.iterdir()
        if f.suffix not in FORMS or not all(f.with_suffix(form).is_file() for form in FORMS)
    )


def _not_logs(folder: Path) -> list[str]:
    if not folder.is_dir() or folder.is_symlink():
        return [""] if folder.is_symlink() else []
    return sorted(f.name for f in folder.iterdir() if f.suffix != ".txt" or not f.is_file())


@contextlib.contextmanager
def _held(doomed: Doomed) -> Iterator[None]:
    """Hold the directory's lock. Raises QftError where a process uses it or a part of it."""
    in_use = f"{doomed.path} is in use by another process; nothing was deleted."
    try:
        descriptor = lock_existing(doomed.held)
    except OSError:
        raise QftError(in_use) from None
    try:
        if not all(map(is_free, doomed.free)):
            raise QftError(in_use)
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)
