"""A run's directory: who may write into it, and its files as dataclasses. docs/artefacts.md lists them all."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, TypeVar

from qft.errors import QftError
from qft.names import visible
from qft.process import files, locks
from qft.records.checkpoints import digest, digests
from qft.records.evaluation import EvaluationSettings, GeneralRow, Metrics, Prediction, ScoreRow, ValidationRow
from qft.records.export import Conversion
from qft.records.heldout import HELDOUT, HeldoutLoss, read_heldout
from qft.records.history import HistoryRow, read_history
from qft.records.jsonfile import read, read_lines, write
from qft.records.markers import Completion, Divergence, FileDigest, Scoring
from qft.records.record import Record, now
from qft.records.schema import Document

COMPLETE, DIVERGED, SCORED = Completion.FILE, Divergence.FILE, Scoring.FILE
ANSWERS = ("predictions.jsonl", "scores.jsonl", "validation.jsonl")
GENERAL = "general.jsonl"
SCORES = (EvaluationSettings.FILE, Metrics.FILE, HELDOUT, GENERAL, *ANSWERS, *(f"base_{name}" for name in ANSWERS))
M = TypeVar("M", bound=Completion | Scoring)
WITHIN = ("adapter", "checkpoints", "forecast")  # directories of a run


def check_files(folder: Path) -> None:
    """Raise QftError where anything in a directory is no file: opening a pipe would block for ever."""
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
        """Stop logging to log.txt and release the lock."""
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
            return read(self.path / DIVERGED, Divergence).reason
        except QftError:
            return "its loss was not finite"

    def record(self) -> Record:
        """record.json. Raises QftError, as all of these, where it is missing or damaged."""
        return read(self.path / Record.FILE, Record)

    def settings(self) -> EvaluationSettings:
        """evaluation.json: what decided the answers."""
        return read(self.path / EvaluationSettings.FILE, EvaluationSettings)

    def metrics(self) -> Metrics:
        """metrics.json: all results of the evaluation."""
        return read(self.path / Metrics.FILE, Metrics)

    def history(self) -> list[HistoryRow]:
        """history.csv."""
        return read_history(self.path / "history.csv")

    def heldout(self) -> list[HeldoutLoss]:
        """heldout.csv; [] where nothing is held out, or an earlier version trained the run."""
        return read_heldout(self.path / HELDOUT)

    def predictions(self, base: bool = False) -> list[Prediction]:
        """predictions.jsonl, or the base's; [] where nothing was answered."""
        return read_lines(self.path / answers("predictions", base), Prediction)

    def scores(self, base: bool = False) -> list[ScoreRow]:
        """scores.jsonl, or the base's; [] where nothing was scored."""
        return read_lines(self.path / answers("scores", base), ScoreRow, "score again with qft score")

    def validation(self, base: bool = False) -> list[ValidationRow]:
        """validation.jsonl, or the base's; [] where nothing was evaluated."""
        return read_lines(self.path / answers("validation", base), ValidationRow, "repeat qft eval")

    def general(self) -> list[GeneralRow]:
        """general.jsonl; [] where forgetting was not measured."""
        return read_lines(self.path / GENERAL, GeneralRow, "repeat qft eval")

    def conversion(self) -> Conversion | None:
        """conversion.json; None where the run was not exported as a LoRA."""
        return read(self.path / Conversion.FILE, Conversion) if (self.path / Conversion.FILE).is_file() else None

    def save(self, document: Document) -> None:
        """Write a document under the name its kind has in a run."""
        write(self.path / document.FILE, document)

    def finish(self) -> None:
        """Write the completion marker, last of all, with sizes and SHA-256 of what training left."""
        self._sync()
        self.save(Completion(now(), self._trained()))

    def diverge(self, reason: str) -> None:
        """Write, in place of the completion marker, that the run has ended because its loss became NaN or infinite."""
        self._sync()
        trained = {name: d for name, d in self._trained().items() if not name.startswith("adapter/")}
        self.save(Divergence(now(), reason, trained))

    def _sync(self) -> None:
        files.sync_tree(self.path)
        files.sync(self.path.parent)

    def verify(self, only: Sequence[str] | None = None) -> None:
        """Raise QftError where a finished run is not what it was when it finished: files lost, cut or changed.

        ``only``: look at these files alone, which takes no time where the weights are large.
        """
        present = self._trained() if only is None else self._digests(only)
        declared = self._declared(Completion).files
        expected = {name: d for name, d in declared.items() if only is None or name in only}
        _compare(self.path, expected, present, "when the run finished", Completion.ADVICE)

    def verify_scores(self) -> None:
        """Raise QftError where scores and answers are not what they were when they were computed."""
        expected = self._declared(Scoring).files
        _compare(self.path, expected, self._digests(SCORES), "when it was scored", Scoring.ADVICE)

    def _declared(self, kind: type[M]) -> M:
        try:
            return read(self.path / kind.FILE, kind)
        except QftError:
            raise QftError(f"{self.path / kind.FILE} is damaged; {kind.ADVICE}.") from None

    def _digests(self, names: Sequence[str]) -> dict[str, FileDigest]:
        return {name: digest(self.path / name) for name in names if (self.path / name).is_file()}

    def scoring(self) -> None:
        """Remove the marker of earlier scores: new ones are about to be written."""
        (self.path / SCORED).unlink(missing_ok=True)

    def scored(self) -> None:
        """Declare the scores complete: sizes and SHA-256 of them and of the answers they are of."""
        self.save(Scoring(now(), self._digests(SCORES)))

    def _trained(self) -> dict[str, FileDigest]:
        weights = digests(self.path / "adapter").items()
        # the card is free text
        out = {f"adapter/{name}": d for name, d in weights if not name.endswith(".md")}
        return out | self._digests(("config.yaml", "record.json", "history.csv", HELDOUT))


def answers(name: str, base: bool = False) -> str:
    """The file of predictions, scores or validation; ``base``: that of the model with its adapter switched off."""
    return f"base_{name}.jsonl" if base else f"{name}.jsonl"


def _compare(
    path: Path, expected: Mapping[str, FileDigest], present: Mapping[str, FileDigest], when: str, advice: str
) -> None:
    for name, was in expected.items():
        if present.get(name) != was:
            what = f"is damaged: not what it was {when}" if name in present else "is missing"
            raise QftError(f"{path / name} {what}; restore it, or {advice}.")
