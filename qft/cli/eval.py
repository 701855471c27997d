"""Validation loss, answers on the test set and their scores: of a run, an adapter or the base.

``qft eval RUN`` evaluates a finished run; ``adapter.path=DIR`` an adapter directory; neither, the base.
Repeating an interrupted evaluation resumes it.
"""

from qft.cli import _scores
from qft.cli._command import Command
from qft.compose.words import words_as
from qft.config import EvalConfig
from qft.progress import start_logging

USAGE = "[RUN]"


def arguments(args: list[str]) -> list[str]:
    """``qft eval DIR`` is ``qft eval run=DIR``."""
    return words_as("run", args)


def run(config: EvalConfig) -> None:
    """Evaluate, and print the scores."""
    from qft.runs.evaluate import evaluate

    start_logging(config.verbose)
    _scores.show_evaluation(evaluate(config), config.format)


COMMAND = Command(EvalConfig, run, arguments)
