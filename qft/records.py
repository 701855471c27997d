"""What a run directory holds. Everything is written to a temporary name and renamed; COMPLETE comes last.

config.yaml         resolved configuration
record.json         Record: versions, git, data, parameters, circuits, results of training
history.csv         step, epoch, train_loss, validation_loss, lr, seconds, tokens_per_second, peak_memory_mb
curve.png           the same as a picture
adapter/            adapter weights (safetensors) and config
metrics.json        scores with their settings and signatures
evaluation.json     settings the answers were made with
predictions.jsonl   one answer a line, written as it is produced (base_...: of the base)
scores.jsonl        scores of each answer, with reasons where a metric judges
validation.jsonl    loss of each validation sample
log.txt             log of all starts
checkpoints/        checkpoints to resume from, removed at the end
COMPLETE            written last: the run is finished; sizes and SHA-256 of what training left
SCORED              written after metrics.json: sizes and SHA-256 of answers and scores
DIVERGED            in place of COMPLETE: the loss was no number; why, and sizes and SHA-256 of record and history
"""

import csv
import errno
import hashlib
import importlib.metadata
import io
import json
import logging
import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

import qft
from qft.errors import QftError
from qft.names import shortened, visible
from qft.process import files, locks
from qft.process.files import write_text

SCHEMA = 1
COMPLETE = "COMPLETE"
DIVERGED = "DIVERGED"
SCORED = "SCORED"
ANSWERS = ("predictions.jsonl", "scores.jsonl", "validation.jsonl")
SCORES = ("evaluation.json", "metrics.json", *ANSWERS, *(f"base_{name}" for name in ANSWERS))
WITHIN = ("adapter", "checkpoints")  # directories of a run
HISTORY = ("step", "epoch", "train_loss", "validation_loss", "lr", "seconds", "tokens_per_second", "peak_memory_mb")
PACKAGES = (
    "torch",
    "transformers",
    "peft",
    "accelerate",
    "datasets",
    "numpy",
    "hydra-core",
    "sacrebleu",
    "rouge-score",
    "pyqpanda3",
    "pennylane",
)


@dataclass
class Record:
    """record.json: answers every later question about a run."""

    command: str
    started: str
    seed: int
    schema: int = SCHEMA
    qft: str = qft.__version__
    python: str = platform.python_version()
    machine: str = f"{platform.system()} {platform.machine()}"
    packages: dict[str, str] = field(default_factory=dict)
    git: dict[str, Any] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    backend: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)


def new_record(seed: int) -> Record:
    """A record with everything that is known before a run starts."""
    record = Record(command=" ".join(["qft", *sys.argv[0].split()[1:], *sys.argv[1:]]), started=_now(), seed=seed)
    for package in PACKAGES:
        try:
            record.packages[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    record.git = git_state(Path(qft.__file__).parent)
    return record


def git_state(where: Path) -> dict[str, Any]:
    """Commit of the package's own repository and whether it was changed; nulls where it is in none."""

    def git(*args: str) -> str | None:
        try:
            done = subprocess.run(["git", "-C", str(where), *args], capture_output=True, text=True, timeout=10)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    # only where the package itself is under version control, not where a user's own project is
    if git("ls-files", "--error-unmatch", "__init__.py") is None:
        return {"commit": None, "dirty": None}
    status = git("status", "--porcelain")
    return {"commit": git("rev-parse", "HEAD"), "dirty": None if status is None else bool(status)}


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")


def refusal(error: OSError) -> str:
    """Why a file could not be had, in words: a link where none may be is said so."""
    return f"{error.filename} is a link" if error.errno == errno.ELOOP else error.strerror or str(error)


def write_json(path: Path, content: Any) -> None:
    """Write one JSON document whole or not at all."""
    write_text(path, json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read one JSON document of a run. Raises QftError where it is missing or damaged."""
    if path.exists() and not path.is_file():  # a pipe would hold us up for ever
        raise QftError(f"{path} is not a file.")
    try:
        return strict_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise QftError(f"{path} is missing.") from None
    except (ValueError, OSError, RecursionError) as error:
        raise QftError(f"{path} is damaged ({error}); run again with overwrite=true.") from error


def strict_json(text: str | bytes) -> Any:
    """One JSON document as the standard has it and as we write them. Raises ValueError for any other.

    NaN, infinities and whole numbers that no float can hold would fail later, wherever they are calculated with.
    """
    return json.loads(text, parse_constant=_finite, parse_float=_finite, parse_int=_whole)


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{shortened(text)} is not a number")
    return number


def _whole(text: str) -> int:
    _finite(text)
    return int(text)


def check_files(folder: Path) -> None:
    """Raise QftError where anything in a directory is no file: opening a pipe would hold us up for ever."""
    for where, _, names in os.walk(folder):
        for path in (Path(where, name) for name in names):
            if path.exists() and not path.is_file():
                raise QftError(f"{path} is a pipe, a socket or a device, and not a file.")


def write_history(path: Path, rows: list[dict[str, Any]]) -> None:
    """history.csv from rows with the keys of HISTORY; a missing value is an empty cell."""
    text = io.StringIO()
    writer = csv.DictWriter(text, HISTORY, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def read_history(path: Path) -> list[dict[str, float | None]]:
    """history.csv as numbers; an empty cell is None. Raises QftError where it is missing or damaged."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise QftError(f"{path} cannot be read: {error}") from error
    header, *rows = csv.reader(io.StringIO(text)) if text.endswith("\n") else [[]]
    if tuple(header) != HISTORY:
        raise QftError(f"{path} is damaged: it does not begin with its columns or is cut off in a line.")
    out = []
    for number, row in enumerate(rows, 2):
        try:
            out.append({k: float(v) if v else None for k, v in zip(HISTORY, row, strict=True)})
        except ValueError:
            raise QftError(f"{path}, row {number}: not {len(HISTORY)} numbers.") from None
    return out


class _Log(logging.FileHandler):
    """log.txt, opened without following a link."""

    def _open(self) -> Any:
        return files.open_append(Path(self.baseFilename))


class _Lines(logging.Formatter):
    """Lines of log.txt that steer no terminal it is shown on."""

    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record), keep="\n\t")


class RunDirectory:
    """One run's directory, held by one process at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: IO[str] | None = None
        self._handler: logging.Handler | None = None

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    @property
    def complete(self) -> bool:
        """Whether the run has finished."""
        return (self.path / COMPLETE).is_file()

    def open(self) -> "RunDirectory":
        """Create the directory if needed, lock it and append the log to log.txt."""
        for inner in WITHIN:
            if (self.path / inner).is_symlink():
                raise QftError(f"{self.path / inner} is a link: what a run writes must lie in its own directory.")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = locks.lock(self.path / ".lock")
            files.remove_leftovers(self.path)
            handler = _Log(self.path / "log.txt")
        except BlockingIOError:
            raise QftError(f"{self.path} is in use by another process.") from None
        except OSError as error:
            self.close()
            raise QftError(f"{self.path} cannot be used as a run directory: {refusal(error)}.") from error
        handler.setFormatter(_Lines("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        self._handler = handler
        logging.getLogger().addHandler(handler)
        return self

    def close(self) -> None:
        """Stop logging here and let others in."""
        if self._handler is not None:
            logging.getLogger().removeHandler(self._handler)
            self._handler.close()
        if self._lock is not None:
            self._lock.close()

    @property
    def diverged(self) -> str | None:
        """Why the run ended without a result; None where it has not."""
        if not (self.path / DIVERGED).is_file():
            return None
        try:
            return str(read_json(self.path / DIVERGED)["reason"])
        except (QftError, KeyError, TypeError):
            return "its loss was no number"

    def finish(self) -> None:
        """Write the completion marker, last of all, with sizes and SHA-256 of what training left."""
        self._on_disk()
        write_json(self.path / COMPLETE, {"finished": _now(), "files": self._trained()})

    def diverge(self, reason: str) -> None:
        """Write, in place of the completion marker, that the loss was no number and the run has ended so."""
        self._on_disk()
        files = {name: digest for name, digest in self._trained().items() if not name.startswith("adapter/")}
        write_json(self.path / DIVERGED, {"diverged": _now(), "reason": reason, "files": files})

    def _on_disk(self) -> None:
        files.sync_tree(self.path)
        files.sync(self.path.parent)

    def verify(self, only: Sequence[str] | None = None) -> None:
        """Raise QftError where a finished run is not what it was when it finished: files lost, cut or changed.

        ``only``: look at these files alone, which takes no time where the weights are large.
        """
        found = self._trained() if only is None else self._there(only)
        self._compare(COMPLETE, found, only, "when the run finished", "train again with overwrite=true")

    def verify_scores(self) -> None:
        """Raise QftError where scores and answers are not what they were when they were computed."""
        self._compare(SCORED, self._there(SCORES), None, "when it was scored", "score again with qft score")

    def _compare(
        self, marker: str, found: Mapping[str, Any], only: Sequence[str] | None, when: str, advice: str
    ) -> None:
        try:
            kept = dict(read_json(self.path / marker)["files"])
        except (QftError, KeyError, TypeError, ValueError):
            raise QftError(f"{self.path / marker} is damaged; {advice}.") from None
        for name, digest in kept.items():
            if (only is None or name in only) and found.get(name) != digest:
                what = f"is damaged: not what it was {when}" if name in found else "is missing"
                raise QftError(f"{self.path / name} {what}; restore it, or {advice}.")

    def _there(self, names: Sequence[str]) -> dict[str, list[Any]]:
        return {name: _digest(self.path / name) for name in names if (self.path / name).is_file()}

    def scoring(self) -> None:
        """Scores are about to be written: what was declared of earlier ones no longer holds."""
        (self.path / SCORED).unlink(missing_ok=True)

    def scored(self) -> None:
        """Declare the scores complete: sizes and SHA-256 of them and of the answers they are of."""
        write_json(self.path / SCORED, {"scored": _now(), "files": self._there(SCORES)})

    def _trained(self) -> dict[str, list[Any]]:
        adapter = _digests(self.path / "adapter").items()
        out = {
            f"adapter/{name}": digest for name, digest in adapter if not name.endswith(".md")
        }  # the card is free text
        for name in ("config.yaml", "record.json", "history.csv"):
            if (self.path / name).is_file():
                out[name] = _digest(self.path / name)
        return out

    def save_record(self, record: Record) -> None:
        """Write record.json."""
        write_json(self.path / "record.json", asdict(record))


MARKER = "QFT_COMPLETE.json"


def mark_checkpoint(checkpoint: Path) -> None:
    """Declare a checkpoint complete: sizes and SHA-256 of its files, written last."""
    write_json(checkpoint / MARKER, _digests(checkpoint))


def newest_checkpoint(folder: Path, before: int | None = None) -> Path | None:
    """The newest checkpoint whose marker agrees with its files; others are half-written and ignored.

    ``before``: only those of an earlier step than this.
    """
    found = []
    for path in folder.glob("checkpoint-*"):
        number = path.name.rpartition("-")[2]
        early = number.isdigit() and (before is None or int(number) < before)
        if early and (path / MARKER).is_file():
            found.append((int(number), path))
    for _, path in sorted(found, reverse=True):
        try:
            if read_json(path / MARKER) == _digests(path):
                return path
        except QftError:
            continue
    return None


def _digests(folder: Path) -> dict[str, list[Any]]:
    files = (f for f in sorted(folder.rglob("*")) if f.is_file() and f.name != MARKER and not f.name.endswith(".tmp"))
    return {str(file.relative_to(folder)): _digest(file) for file in files}


def _digest(file: Path) -> list[Any]:
    """Size and SHA-256."""
    with file.open("rb") as stream:
        return [file.stat().st_size, hashlib.file_digest(stream, "sha256").hexdigest()]
