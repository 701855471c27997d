"""One attempt at one cell, in the process that calls it: lock, train, evaluate, note what became of it."""

import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from qft import trust
from qft.errors import Diverged, QftError
from qft.process.files import reason
from qft.process.locks import is_free, lock
from qft.records import Cell
from qft.sweeps import cells, jobs
from qft.sweeps.jobs import Config, Job, located

log = logging.getLogger(__name__)
Recipe = Callable[[Config], object]


def attempt(directory: Path, cell: Cell, job: Job, recipe: Recipe | None = None) -> None:
    """Run the cell, resuming where an earlier attempt stopped; a cell that is done is left alone.

    The operating system's lock, never a clock, says whether another process is running the cell, so a process that
    was suspended for a while still counts as alive.

    Args:
        directory: The sweep's.
        cell: What to run.
        job: Its config, and what the user has given with it.
        recipe: What runs the config; that of its command where None.

    Raises:
        KeyboardInterrupt: The process was told to stop. Nothing else is raised: what went wrong is in cell.json.
    """
    with held(directory, cell.name):
        if cells.done(directory, cell):
            return
        afresh = cells.state_of(directory, cell) == cells.DIVERGED  # resumed, it would only diverge again
        cells.begin(directory, cell)
        try:
            with trust.command(job.given):
                (recipe or jobs.run)(located(directory, cell, job.config, afresh))
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
    """Whether no process is running the cell."""
    return is_free(directory / ".locks" / name)
