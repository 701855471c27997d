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

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from qft.errors import QftError
from qft.names import visible
from qft.process import files, locks
from qft.records.checkpoints import digest, digests
from qft.records.jsonfile import read_json, write_json
from qft.records.record import Record, now

COMPLETE = "COMPLETE"
DIVERGED = "DIVERGED"
SCORED = "SCORED"
ANSWERS = ("predictions.jsonl", "scores.jsonl", "validation.jsonl")
SCORES = ("evaluation.json", "metrics.json", *ANSWERS, *(f"base_{name}" for name in ANSWERS))
WITHIN = ("adapter", "checkpoints")  # directories of a run


def check_files(folder: Path) -> None:
    """Raise QftError where anything in a directory is no file: opening a pipe would hold us up for ever."""
    for where, _, names in os.walk(folder):
        for path in (Path(where, name) for name in names):
            if path.exists() and not path.is_file():
                raise QftError(f"{path} is a pipe, a socket or a device, and not a file.")


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
            raise QftError(f"{self.path} cannot be used as a run directory: {files.reason(error)}.") from error
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
        write_json(self.path / COMPLETE, {"finished": now(), "files": self._trained()})

    def diverge(self, reason: str) -> None:
        """Write, in place of the completion marker, that the loss was no number and the run has ended so."""
        self._on_disk()
        files = {name: d for name, d in self._trained().items() if not name.startswith("adapter/")}
        write_json(self.path / DIVERGED, {"diverged": now(), "reason": reason, "files": files})

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
        for name, was in kept.items():
            if (only is None or name in only) and found.get(name) != was:
                what = f"is damaged: not what it was {when}" if name in found else "is missing"
                raise QftError(f"{self.path / name} {what}; restore it, or {advice}.")

    def _there(self, names: Sequence[str]) -> dict[str, list[Any]]:
        return {name: digest(self.path / name) for name in names if (self.path / name).is_file()}

    def scoring(self) -> None:
        """Scores are about to be written: what was declared of earlier ones no longer holds."""
        (self.path / SCORED).unlink(missing_ok=True)

    def scored(self) -> None:
        """Declare the scores complete: sizes and SHA-256 of them and of the answers they are of."""
        write_json(self.path / SCORED, {"scored": now(), "files": self._there(SCORES)})

    def _trained(self) -> dict[str, list[Any]]:
        adapter = digests(self.path / "adapter").items()
        out = {f"adapter/{name}": d for name, d in adapter if not name.endswith(".md")}  # the card is free text
        for name in ("config.yaml", "record.json", "history.csv"):
            if (self.path / name).is_file():
                out[name] = digest(self.path / name)
        return out

    def save_record(self, record: Record) -> None:
        """Write record.json."""
        write_json(self.path / "record.json", asdict(record))
