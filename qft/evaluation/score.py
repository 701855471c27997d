"""Texts -> scores: ``score_all(["好的"], ["好的。"], ["bleu", "rouge"])`` -> bleu4, rouge1, rouge2, rougel."""

import importlib
import pkgutil
from collections.abc import Sequence

from qft.errors import QftError, nearest
from qft.evaluation import metrics as family
from qft.evaluation.metrics.base import Score


def metric_names() -> list[str]:
    """The metrics there are: every module of the metrics folder except the contract itself."""
    return sorted(m.name for m in pkgutil.iter_modules(family.__path__) if m.name != "base")


def check_names(metrics: Sequence[str]) -> None:
    """Raise QftError for a metric that does not exist."""
    for name in metrics:
        if name not in metric_names():
            raise QftError(f"metric={name} is unknown.{nearest(name, metric_names())}")


def score_all(predictions: list[str], references: list[str], metrics: Sequence[str]) -> list[Score]:
    """Compute each named metric on the pairs, in the order named; texts may be empty, the lists may not."""
    check_names(metrics)
    if len(predictions) != len(references):
        raise QftError(
            f"{len(predictions)} predictions for {len(references)} references; each prediction needs its "
            "reference, so make sure both come from the same split."
        )
    if not predictions:
        raise QftError("There are no predictions to score; run the evaluation first.")
    modules = [importlib.import_module(f"{family.__name__}.{name}") for name in metrics]
    return [s for module in modules for s in module.score(predictions, references)]
