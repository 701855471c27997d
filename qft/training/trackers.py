"""Trackers of a training (``trainer.report_to``): transformers' callbacks, told the run's name and where to write.

They watch and change nothing: the trained weights are the same with and without.
"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import Any

from qft.errors import QftError, first_line, nearest

PROJECT = "qft"  # what runs are filed under, unless the environment says otherwise
TENSORBOARD = "tensorboard"  # directory of a run that holds its events
# as the tracker of the run is ended by us, with whether the training failed: transformers leaves them open then
_ENDS: dict[str, Callable[[Any, bool], object]] = {
    "wandb": lambda wandb, failed: wandb.finish(exit_code=int(failed)),
    "mlflow": lambda mlflow, failed: mlflow.end_run("FAILED" if failed else "FINISHED"),
    "trackio": lambda trackio, failed: trackio.finish() if failed else None,
}
_OPEN: dict[str, Callable[[Any], bool]] = {  # whether a run of the caller's own, not to be ended by us, is open
    "wandb": lambda wandb: wandb.run is not None,
    "mlflow": lambda mlflow: mlflow.active_run() is not None,
}


def check(names: Sequence[str]) -> None:
    """Refuse trackers that do not exist, whose package is missing, or that nobody has logged in to.

    Raises:
        QftError: With what to install or do.
    """
    from transformers.integrations import integration_utils

    callbacks = integration_utils.INTEGRATION_TO_CALLBACK
    for name in names:
        if name not in callbacks:
            raise QftError(f"trainer.report_to={name} does not exist.{nearest(name, callbacks)}")
        installed = vars(integration_utils).get(f"is_{name}_available")  # asked first: mlflow's fails noisily
        if installed is not None and not installed():
            raise QftError(f"trainer.report_to={name} needs the package {name}: pip install {name}, or leave it out.")
        try:
            callbacks[name]()
        except (RuntimeError, ImportError) as error:
            raise QftError(f"trainer.report_to={name}: {first_line(error)}") from error
    if "wandb" in names:
        _check_login(sys.modules["wandb"])


def _check_login(wandb: Any) -> None:
    """Raise QftError where wandb would ask for a key in the middle of a run."""
    if wandb.setup().settings.mode in ("offline", "disabled", "dryrun"):
        return
    try:
        with redirect_stdout(sys.stderr):
            known = wandb.login(prompt=False)
    except TypeError:  # versions that cannot be asked without a prompt
        return
    except Exception as error:  # a key that cannot be one
        raise QftError(f"trainer.report_to=wandb: {first_line(error)}") from error
    if not known:
        raise QftError("wandb is not logged in: run wandb login, or export WANDB_MODE=offline to keep its files here.")


@contextmanager
def tracked(names: Sequence[str], run: Path) -> Iterator[None]:
    """The span of one training: what trackers read from the environment is set, and each is ended with it.

    Args:
        names: Of the trackers.
        run: The run's directory, into which tensorboard writes.

    Raises:
        QftError: A tracker has failed, or the directory for its events is a link.
    """
    if "tensorboard" in names and (run / TENSORBOARD).is_symlink():
        raise QftError(f"{run / TENSORBOARD} is a link; remove it.")
    defaults = {
        "TENSORBOARD_LOGGING_DIR": str(run / TENSORBOARD),
        "WANDB_PROJECT": PROJECT,
        "MLFLOW_EXPERIMENT_NAME": PROJECT,
    }
    added = {key: value for key, value in defaults.items() if names and key not in os.environ}
    theirs = {name for name, is_open in _OPEN.items() if name in names and is_open(sys.modules[name])}
    failed = True
    os.environ.update(added)
    try:
        with redirect_stdout(sys.stderr if names else sys.stdout):  # what they say is none of our output
            yield
        failed = False
    except Exception as error:
        package = type(error).__module__.partition(".")[0]
        if package not in names:
            raise
        raise QftError(f"trainer.report_to: {package} has failed: {first_line(error)}") from error
    finally:
        for key in added:
            os.environ.pop(key, None)
        for name in names:
            if name in _ENDS and name not in theirs:
                with suppress(Exception), redirect_stdout(sys.stderr):  # one that is not open, or has failed already
                    _ENDS[name](sys.modules[name], failed)
