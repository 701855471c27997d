"""Names of runs and sweeps as people type them: ``lora-demo-n300-demo-seed0``, without the time that made it unique.

outputs/lora-demo-n300-demo-seed0-20260102-030405/    a run that was given no name
outputs/sweeps/table1-demo/cells/NAME/                a run of a sweep, found by NAME alone where one sweep has it
"""

import difflib
import re
from collections.abc import Iterable
from pathlib import Path

from qft.errors import QftError
from qft.names import shortened, visible
from qft.records import CellState, Completion, EvaluationSettings, Record, SweepPlan

MARKS = ("config.yaml", Record.FILE, EvaluationSettings.FILE, CellState.FILE, Completion.FILE)  # of a run
SHOWN = 4  # candidates that a message lists
_TIME = re.compile(r"-\d{8}-\d{6}(-\d+)?$")


def is_run(folder: Path) -> bool:
    """Whether a directory is a run, a cell of a sweep or an evaluation; a damaged one counts."""
    return any((folder / name).is_file() for name in MARKS)


def is_sweep(folder: Path) -> bool:
    """Whether a directory is a sweep."""
    return (folder / SweepPlan.FILE).is_file()


def short(name: str) -> str:
    """The name of a run without the time at its end."""
    return _TIME.sub("", name)


def among(root: Path) -> list[Path]:
    """Directories of ours right below ``root``, the sweeps in ``root/sweeps``, and their cells. Raises OSError."""
    beside = sorted(p for p in root.iterdir() if p.is_dir() and (is_run(p) or is_sweep(p))) if root.is_dir() else []
    inner = ("sweeps/*/sweep.json", "sweeps/*/cells/*/cell.json")
    return [*beside, *sorted(p.parent for pattern in inner for p in root.glob(pattern))]


def meant(given: str, folders: Iterable[Path], key: str) -> Path:
    """The one directory whose name, or name without its time, is that of ``given``.

    Args:
        given: What the user typed: a name, or a path that ends in one.
        folders: Where it may be.
        key: The option it was given with, for messages.

    Raises:
        QftError: None is called so, or several are.
    """
    folders, name = list(folders), Path(given).name
    exact = [p for p in folders if p.name == name] or [p for p in folders if short(p.name) == name]
    if len(exact) == 1:
        return exact[0]
    if exact:
        listed = ", ".join(str(p) for p in exact[:SHOWN]) + (", ..." if len(exact) > SHOWN else "")
        raise QftError(f"{key}={given} may be {visible(listed)}; name one of these {len(exact)}.")
    names = {known for p in folders for known in (p.name, short(p.name))}
    close = difflib.get_close_matches(name, sorted(names), n=1, cutoff=0.6)
    hint = f" Did you mean '{visible(close[0])}'?" if close else " qft runs lists what there is."
    raise QftError(f"{key}={visible(shortened(given))} does not exist.{hint}")
