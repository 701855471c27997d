"""A run as an object: its config, record, history, scores and predictions, and the trained model."""

from dataclasses import asdict, fields
from functools import cached_property
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qft import trust
from qft.config import EvalConfig, TrainConfig
from qft.errors import QftError
from qft.progress import borrow_logging, quiet_libraries
from qft.records import HeldoutLoss, Metrics, Plain, Record, RunDirectory
from qft.runs import stored

if TYPE_CHECKING:
    import pandas

EVALUATED = "evaluation.json"


class Run:
    """A run directory, each file of which is read when asked for. A missing or damaged one raises QftError.

    Attributes:
        path: The directory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._directory = RunDirectory(path)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    def __fspath__(self) -> str:
        return str(self.path)

    @cached_property
    def config(self) -> TrainConfig:
        """The config it was trained with, from config.yaml."""
        return stored.read_config(self.path)

    @property
    def record(self) -> Record:
        """Versions, data, parameters and results of the training (docs/artefacts.md)."""
        return self._directory.record()

    @property
    def history(self) -> "pandas.DataFrame":
        """A row a step: step, epoch, train_loss, validation_loss, lr, seconds, tokens_per_second, peak_memory_mb.

        Losses are in nats per token; what was not measured at a step is NaN.
        """
        import pandas

        return pandas.DataFrame([asdict(row) for row in self._directory.history()])

    @property
    def heldout(self) -> "pandas.DataFrame":
        """A row a held-out sample: sample, family, loss (its sum, in nats) and tokens; empty where nothing is."""
        import pandas

        columns = [each.name for each in fields(HeldoutLoss)]
        return pandas.DataFrame([asdict(row) for row in self._directory.heldout()], columns=columns)

    @property
    def metrics(self) -> Metrics:
        """Validation loss and test scores with their intervals, and the settings they were made with.

        ``run.metrics.metrics.test["bleu4_standard"].value``; those of the base are ``run.metrics.base``.
        """
        self._check_evaluated()
        return self._directory.metrics()

    @property
    def scores(self) -> "pandas.DataFrame":
        """The test scores of ``metrics``, one a row: value, 95 % interval and number of answers."""
        import pandas

        test = self.metrics.metrics.test
        rows = {name: (s.value, *(s.interval or (None, None)), s.samples) for name, s in test.items()}
        return pandas.DataFrame.from_dict(rows, orient="index", columns=["value", "low", "high", "answers"])

    @property
    def predictions(self) -> "pandas.DataFrame":
        """A row an answer: id, turn, prompt, reference, prediction, tokens, seconds, ..."""
        import pandas

        self._check_evaluated()
        return pandas.DataFrame([asdict(row) for row in self._directory.predictions()])

    def model(self) -> Any:
        """The base model with the trained adapter in it, in evaluation mode, ready to generate.

        Circuits are evaluated exactly, whatever backend the run was trained with.

        Raises:
            QftError: The run is not finished or was altered, or the base is not the one it was trained on.
        """
        from qft.models import inject, load

        with trust.command(), borrow_logging():
            quiet_libraries()
            base = load.load_base(self._model_options(), load.precision())
            return inject.load_adapter(base, self.path / "adapter").eval()

    def tokenizer(self) -> Any:
        """The base model's tokenizer. Refuses what ``model`` refuses."""
        from qft.models import load

        with trust.command(), borrow_logging():
            quiet_libraries()
            return load.load_tokenizer(self._model_options())

    def _model_options(self) -> Plain:
        """The options of the base, which is compared with what the run was trained with before it is loaded."""
        subject = stored.subject(EvalConfig(run=str(self.path.absolute())))
        stored.check_base(self.path, subject.model)
        return subject.model

    def _check_evaluated(self) -> None:
        if not (self.path / EVALUATED).exists():
            raise QftError(f"{self.path} was not evaluated: qft.evaluate(run), or eval=True when it is trained.")


def load_run(path: str | PathLike[str], output_dir: str = "outputs") -> Run:
    """Open an existing run, or an evaluation without one.

    Args:
        path: Its directory, or its name below ``output_dir``.
        output_dir: Where runs are made.

    Raises:
        QftError: There is no such directory, or it holds neither.
    """
    folder = stored.find(fspath(path), output_dir)
    if not (folder / "config.yaml").exists() and not (folder / EVALUATED).exists():
        raise QftError(f"{folder} is not a run directory: it holds no config.yaml.")
    return Run(folder)
