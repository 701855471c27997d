"""List every run and sweep below a directory: method, data, parameters, losses, main score, state and size.

``qft runs`` looks below outputs, ``qft runs DIR`` below DIR; of a sweep itself it lists the cells. A line that
cannot be read is listed as damaged, with the reason.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qft.cli._command import Command
from qft.cli._output import log, megabytes, show
from qft.compose.words import words_as
from qft.config import RunsConfig
from qft.errors import QftError, nearest
from qft.progress import start_logging
from qft.records import to_json
from qft.reports.inventory import DAMAGED, Listed, below
from qft.runs import stored

USAGE = "[DIR]"
SORTS = (
    *("name", "kind", "state", "method", "data", "n", "seed", "parameters", "train_loss", "validation_loss"),
    *("heldout_loss", "score", "size", "started"),
)
COLUMNS = ["name", "state", "method", "data", "n", "seed", "parameters", "train", "valid.", "held-out", "score", "size"]


def arguments(args: list[str]) -> list[str]:
    """``qft runs DIR`` is ``qft runs dir=DIR``."""
    return words_as("dir", args)


def run(config: RunsConfig) -> None:
    """Read, filter, sort, print."""
    start_logging()
    if config.sort not in SORTS:
        raise QftError(f"sort={config.sort} does not exist.{nearest(config.sort, SORTS)}")
    lines = [line for line in below(_root(config), config.cells) if _wanted(line, config.filter)]
    known = [line for line in lines if vars(line)[config.sort] is not None]
    known.sort(key=lambda line: vars(line)[config.sort], reverse=config.reverse)
    unknown = [line for line in lines if vars(line)[config.sort] is None]
    shown = [*known, *unknown][: config.limit]
    shorts = Counter(line.short for line in lines)
    rows = [_row(line, line.short if shorts[line.short] == 1 else line.name) for line in shown]
    count = f"{len(shown)} of {len(lines)}" if len(shown) < len(lines) else f"{len(lines)}"
    title = f"{_root(config)}: {count} {'run or sweep' if len(lines) == 1 else 'runs and sweeps'}"
    show(config.format, {"dir": str(_root(config)), "runs": to_json(shown)}, title, COLUMNS, rows)
    for line in shown:
        if line.state == DAMAGED:
            log.warning("damaged: %s", line.problem)


def _root(config: RunsConfig) -> Path:
    if config.dir is None:
        if not Path(config.output_dir).is_dir():
            raise QftError(f"There is no directory {config.output_dir} yet; qft train makes it.")
        return Path(config.output_dir)
    if Path(config.dir).is_dir():
        return Path(config.dir)
    return stored.find(config.dir, str(Path(config.output_dir) / "sweeps"), "dir")


def _wanted(line: Listed, words: str | Sequence[Any] | None) -> bool:
    """Whether every word is in one of the texts of a line."""
    asked = [] if words is None else [words] if isinstance(words, str) else words
    texts = [line.name, line.kind, line.state, line.method or "", line.data or ""]
    return all(any(str(word).casefold() in text.casefold() for text in texts) for word in asked)


def _row(line: Listed, called: str) -> list[Any]:
    """A line of the table; ``called``: its name, without the time where that is enough."""
    losses = [line.train_loss, line.validation_loss, line.heldout_loss]
    score = None if line.score is None else f"{line.score:.1f} {line.measure}"
    state = ", ".join(f"{count} {name}" for name, count in line.cells.items()) if line.cells else line.state
    return [
        f"sweep {called}" if line.kind == "sweep" else called,
        f"running: {state}" if line.kind == "sweep" and line.state == "running" else state,
        line.method,
        line.data,
        line.n,
        line.seed,
        line.parameters,
        *(None if loss is None else f"{loss:.3f}" for loss in losses),
        score,
        megabytes(line.size),
    ]


COMMAND = Command(RunsConfig, run, arguments)
