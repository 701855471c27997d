"""Score a run's answers again, or with other metrics, from predictions.jsonl and without a model.

``qft score RUN evaluation.metrics=[reasoning]`` adds to the scores of the run, or replaces those of the
same names; answers of the base (base_predictions.jsonl) are scored beside them.
"""

from qft.cli import _scores
from qft.cli._command import Command
from qft.compose.words import words_as
from qft.config import ScoreConfig
from qft.progress import start_logging

USAGE = "RUN"


def arguments(args: list[str]) -> list[str]:
    """``qft score DIR`` is ``qft score run=DIR``."""
    return words_as("run", args)


def run(config: ScoreConfig) -> None:
    """Score, and print the scores."""
    from qft.runs.score import score

    start_logging(config.verbose)
    _scores.show_scores(score(config), config.format)


COMMAND = Command(ScoreConfig, run, arguments)
