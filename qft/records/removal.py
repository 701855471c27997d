"""What ``overwrite=true`` and ``qft rm`` may delete: a run of ours where it is looked for, and nothing else."""

from pathlib import Path

from qft.errors import QftError
from qft.names import shortened
from qft.process.files import remove
from qft.records.directory import COMPLETE, DIVERGED, SCORED, SCORES
from qft.records.evaluation import EvaluationSettings
from qft.records.export import Conversion
from qft.records.jsonfile import read
from qft.records.markers import Completion
from qft.records.record import Record
from qft.records.schema import Document
from qft.records.sweep import CellState

STARTED = (".lock", "log.txt", "cell.json", "record.json")  # a directory without config.yaml is no run yet
# A journal of jobs that were paid for is not among them: it is never deleted with a run.
FILES = {
    *STARTED,
    *("config.yaml", "history.csv", "curve.png", "adapter", "checkpoints", "forecast", "tensorboard"),
    *(COMPLETE, DIVERGED),
    *(*SCORES, SCORED, Conversion.FILE),
}
NEVER_CLEARED = (".lock", "log.txt", "cell.json")  # the last: what a sweep recorded of the cell


def foreign(path: Path, known: set[str] | tuple[str, ...]) -> list[str]:
    """Names in a directory that are none of those known; temporary files of ours do not count."""
    return sorted(p.name for p in path.iterdir() if p.name not in known and not p.match(".*.tmp"))


def check(path: Path, root: Path, option: str = "overwrite=true") -> None:
    """Raise QftError unless ``path`` is recognisably a run or cell of ours, lies in ``root`` and holds nothing else.

    ``option``: what would delete it, for the message.
    """
    why = None
    if path.is_symlink() or path.resolve().parent != root.resolve():
        why = f"is a link or does not lie in {root}"
    elif not _recognised(path):
        why = "is not recognisably a run of qft"
    elif others := foreign(path, FILES):
        why = f"holds {shortened(others[0])}, which is no file that {option} may delete"
    if why:
        raise QftError(f"{path} {why}: nothing was deleted. Remove it yourself, or use another name.")


def clear(path: Path) -> None:
    """Remove what an earlier run left, except the lock, the log and cell.json. Other files stay."""
    for item in path.iterdir():
        if item.name in FILES and item.name not in NEVER_CLEARED:
            remove(item)


def _recognised(path: Path) -> bool:
    """By its record, else by its completion marker or by cell.json, should the record be damaged; or an evaluation."""
    return any(_is(path / kind.FILE, kind) for kind in (Record, Completion, CellState, EvaluationSettings))


def _is(file: Path, kind: type[Document]) -> bool:
    try:
        read(file, kind)
    except QftError:
        return False
    return True
