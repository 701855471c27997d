"""The metrics there are: every module of this folder except the contract, ``base``."""

import importlib
import pkgutil
from functools import cache
from typing import Any

from qft.evaluation.metrics.base import Measure


def metric_names() -> list[str]:
    """What ``evaluation.metrics=`` takes."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name != "base")


def load_metric(name: str) -> Any:
    """The module of a metric: ``MEASURES``, ``score`` and ``check``."""
    return importlib.import_module(f"{__name__}.{name}")


@cache
def measures() -> dict[str, Measure]:
    """Name of a score -> what it is; those of one metric stand together."""
    return {measure.name: measure for name in metric_names() for measure in load_metric(name).MEASURES}


def measure(name: str) -> Measure:
    """What a score is; one of a metric that is not installed here is shown by its name."""
    return measures().get(name) or Measure(name, name.replace("_", " "))


def packages() -> list[str]:
    """Distributions that scores are computed with."""
    return list(dict.fromkeys(package for measure in measures().values() for package in measure.packages))
