"""qft: quantum-enhanced parameter-efficient fine-tuning of language models.

``import qft`` is cheap: neither torch nor peft is loaded before a function is called. ``import qft.adapters`` registers
the adapters with PEFT.

    import qft

    run = qft.train("adapter=qwthn", "data=cpsycoun", n=300, trainer={"lr": 1e-3})
    run.history.plot("step", ["train_loss", "validation_loss"])
    qft.evaluate(run, evaluation={"limit": 10})
    run.scores
"""

from os import PathLike
from typing import TYPE_CHECKING, Any

from qft.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from qft.export.hub import Pushed
    from qft.runs.run import Run

__all__ = ["__version__", "evaluate", "export_run", "load_run", "push_run", "score", "train"]


def train(*overrides: str, **options: Any) -> "Run":
    """Fine-tune a model with an adapter; with ``eval=True`` evaluate it, too. What ``qft train`` does.

    Args:
        *overrides: As on the command line: ``"adapter=lora"``, ``"trainer.lr=0.001"``.
        **options: Values, in which no character is special: ``n=300``, ``trainer={"lr": 1e-3}``,
            ``data={"path": Path("it's here")}``, ``**{"model.path": "DIR"}``. A text for a group chooses one of its
            yamls: ``adapter="lora"``.

    Returns:
        The finished run.

    Raises:
        qft.errors.QftError: A problem that you can fix; the message is one sentence.
        KeyboardInterrupt: After Ctrl-C, once the step is finished and saved; ``resume=True`` resumes the run.
    """
    from qft.compose.typed import call, show_call
    from qft.config import TrainConfig
    from qft.runs.train import train as recipe

    return call("train", TrainConfig, recipe, overrides, options, show_call("train", *overrides, **options))


def evaluate(run: "Run | str | PathLike[str] | None" = None, /, *overrides: str, **options: Any) -> "Run":
    """Validation loss, answers on the test set and their scores. What ``qft eval`` does.

    Args:
        run: A finished run, its directory, or its name below ``outputs``. None: the adapter that ``adapter.path``
            names, or the base alone.
        *overrides: As on the command line.
        **options: Values, as ``train`` takes them; n, seed, model and data are the run's own unless they are given.

    Returns:
        The evaluated run; with ``out=DIR``, or without a run, the directory of the evaluation.

    Raises:
        qft.errors.QftError: A problem that you can fix; the message is one sentence.
    """
    from qft.compose.typed import call, show_call
    from qft.config import EvalConfig
    from qft.runs.evaluate import evaluate as recipe

    named = {} if run is None else {"run": run}
    return call(
        "eval", EvalConfig, recipe, overrides, options | named, show_call("evaluate", run, *overrides, **options)
    )


def score(run: "Run | str | PathLike[str]", /, *overrides: str, **options: Any) -> "Run":
    """Score the answers of an evaluated run again, or with other metrics. What ``qft score`` does; needs no model.

    Args:
        run: An evaluated run, its directory, or its name below ``outputs``.
        *overrides: As on the command line: ``"evaluation.metrics=[reasoning]"``.
        **options: Values, as ``train`` takes them.

    Returns:
        The run, with its scores written anew.

    Raises:
        qft.errors.QftError: A problem that you can fix; the message is one sentence.
    """
    from qft.compose.typed import call, show_call
    from qft.config import ScoreConfig
    from qft.runs.score import score as recipe

    shown = show_call("score", run, *overrides, **options)
    return call("score", ScoreConfig, recipe, overrides, options | {"run": run}, shown)


def export_run(run: "Run | str | PathLike[str]", /, *overrides: str, **options: Any) -> "Path":
    """Write a finished run as a plain model or as an ordinary LoRA. What ``qft export`` does.

    Args:
        run: A finished run, its directory, or its name below ``outputs``.
        *overrides: As on the command line: ``"to=lora"``, ``"rank=8"``.
        **options: Values: ``to="merged"``, ``out="DIR"``.

    Returns:
        The directory that was written.

    Raises:
        qft.errors.QftError: A problem that you can fix; nothing is written then.
    """
    from qft.compose.typed import called, show_call
    from qft.config import ExportConfig
    from qft.export.export import export as recipe

    shown = show_call("export_run", run, *overrides, **options)
    return called("export", ExportConfig, recipe, overrides, options | {"run": run}, shown)


def push_run(run: "Run | str | PathLike[str]", repo: str, /, *overrides: str, **options: Any) -> "Pushed":
    """Put a run's adapter, or what ``export_run`` wrote, on the Hugging Face hub. What ``qft push`` does.

    Args:
        run: A finished run, an export, its directory, or its name below ``outputs``.
        repo: OWNER/NAME on the hub.
        *overrides: As on the command line: ``"private=false"``.
        **options: Values: ``dry_run=True``.

    Returns:
        Its files, and ``url`` where they are; None with ``dry_run``.

    Raises:
        qft.errors.QftError: A problem that you can fix.
    """
    from qft.compose.typed import called, show_call
    from qft.config import PushConfig
    from qft.export.hub import push as recipe

    shown = show_call("push_run", run, repo, *overrides, **options)
    return called("push", PushConfig, recipe, overrides, options | {"run": run, "repo": repo}, shown)


def load_run(path: "str | PathLike[str]", output_dir: str = "outputs") -> "Run":
    """Open an existing run.

    Args:
        path: Its directory, or its name below ``output_dir``.
        output_dir: Where runs are made.

    Raises:
        qft.errors.QftError: There is no such run.
    """
    from qft.runs.run import load_run as load

    return load(path, output_dir)
