"""One attempt at one cell, in the process that calls it: lock, train, evaluate, note what became of it."""

import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from qft.errors import Diverged, QftError
from qft.process.files import reason
from qft.process.locks import is_free, lock
from qft.records import Cell
from qft.sweeps import cells

log = logging.getLogger(__name__)
Execute = Callable[[str, list[str]], None]  # runs ``qft COMMAND OVERRIDES`` here; raises what goes wrong


def attempt(directory: Path, cell: Cell, execute: Execute) -> None:
    """Run the cell, going on where an earlier attempt stopped; a cell that is done is left alone.

    Whether another process is at it is asked of the operating system's lock, never of a clock, so a process that
    was stopped for a while is still alive. Raises KeyboardInterrupt where interrupted, nothing else.
    """
    with held(directory, cell.name):
        if cells.done(directory, cell):
            return
        afresh = cells.state_of(directory, cell) == cells.DIVERGED  # from where it was it would end so again
        cells.begin(directory, cell)
        try:
            execute(cell.command, arguments(directory, cell, afresh))
        except KeyboardInterrupt:
            cells.end(directory, cell, "interrupted")
            raise
        except Diverged as error:
            cells.end(directory, cell, cells.DIVERGED, str(error))
        except QftError as error:
            cells.end(directory, cell, "failed", str(error))
        except BaseException as error:
            traceback.print_exc()
            cells.end(directory, cell, "failed", f"{type(error).__name__}: {error}".strip(": "))
        else:
            cells.end(directory, cell, "done")


def arguments(directory: Path, cell: Cell, afresh: bool = False) -> list[str]:
    """The cell's overrides, where its run directory lies, and whether what is there is gone on with or replaced."""
    place = cells.folder(directory, cell.name)
    if cell.command == "eval":
        trained = [f"run={_quoted(cells.folder(directory, cell.after[0]))}"] if cell.after else []
        return [*cell.overrides, *trained, f"out={_quoted(place)}"]
    rate = [] if cell.lr is None else [f"trainer.lr={cell.lr}"]
    overrides = [o for o in cell.overrides if not (rate and o.startswith("trainer.lr="))]
    where = [f"output_dir={_quoted(place.parent)}", f"run={place.name}"]
    again = "overwrite=true" if afresh else "resume=true"
    return [*overrides, *rate, *where, again, f"eval={str(cell.test).lower()}"]


def _quoted(path: Path) -> str:
    """A path as a value of an override: quoted, so that no character in it has a meaning."""
    return "'" + str(path).replace("\\", "\\\\").replace("'", "\\'") + "'"


@contextmanager
def held(directory: Path, name: str) -> Iterator[None]:
    """Hold the cell's lock, waiting for whoever has it; the lock goes with the process that holds it."""
    folder = directory / ".locks"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        file = lock(folder / name, wait=True)
    except OSError as error:
        raise QftError(f"{folder / name} cannot be used as a lock: {reason(error)}.") from error
    with file:
        yield


def free(directory: Path, name: str) -> bool:
    """Whether no process is at the cell."""
    return is_free(directory / ".locks" / name)
