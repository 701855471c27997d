"""Delete runs and sweeps: lists what would go, asks, deletes. ``yes=true`` does not ask.

Only directories that are recognisably a run, an evaluation or a sweep of qft and hold nothing else, never one that
a process is using. A journal of jobs that were paid for keeps its run.
"""

import sys
from pathlib import Path

from qft.cli._command import Command
from qft.cli._output import log, megabytes, show
from qft.compose.words import words_as
from qft.config import RmConfig
from qft.errors import QftError
from qft.names import visible
from qft.progress import start_logging
from qft.reports.inventory import size
from qft.runs import stored
from qft.sweeps import removal

USAGE = "RUN ..."


def arguments(args: list[str]) -> list[str]:
    """``qft rm A B`` is ``qft rm run=['A','B']``."""
    return words_as("run", args, several=True)


def run(config: RmConfig) -> None:
    """Check all of them, ask once, delete."""
    start_logging()
    given = config.run if isinstance(config.run, list) else [config.run]
    if not given:
        raise QftError("Name what to delete: qft rm RUN. qft runs lists what there is.")
    doomed = removal.check([stored.find(str(name), config.output_dir) for name in given])
    sizes = [size(each.path) for each in doomed]
    if not config.yes and not _agreed([each.path for each in doomed], sizes):
        raise QftError("Nothing was deleted.")
    removal.remove(doomed)
    rows = [[str(d.path), "sweep" if d.sweep else "run", megabytes(s)] for d, s in zip(doomed, sizes)]
    document = {"deleted": [{"path": str(d.path), "bytes": s} for d, s in zip(doomed, sizes)]}
    show(config.format, document, "deleted", ["directory", "kind", "size"], rows)


def _agreed(paths: list[Path], sizes: list[int]) -> bool:
    """Whether whoever sits at the terminal says yes. Raises QftError where nobody does."""
    if not sys.stdin.isatty():
        raise QftError("Nobody is there to ask: yes=true deletes without asking.")
    for path, bytes_ in zip(paths, sizes):
        log.info("  %s (%s)", visible(str(path)), megabytes(bytes_))
    print(f"Delete {'it' if len(paths) == 1 else f'these {len(paths)}'}? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().casefold() in ("y", "yes")


COMMAND = Command(RmConfig, run, arguments)
