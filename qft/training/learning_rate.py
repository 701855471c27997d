"""The peak learning rate of a run: what was given, exactly; else one that suits the model and the method."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qft.ranges import Range, check_one

SMALL = 1024  # hidden sizes below this are small bases


@dataclass(frozen=True)
class LearningRate:
    """A peak learning rate. ``automatic``: it was chosen by rule, nobody gave it."""

    value: float
    automatic: bool


def learning_rate(
    given: float | None, model: Mapping[str, Any], adapter: Mapping[str, Any], hidden_size: int
) -> LearningRate:
    """The rate to train with.

    Args:
        given: ``trainer.lr``; None means automatic. A rate that was given is used as it is.
        model: The model's config; its ``lr`` suits adapters on this model.
        adapter: The method's config; its ``lr_scale`` says how its rate relates to the model's.
        hidden_size: Of the model; decides where the model's config names no rate: 1e-2 for small bases, 5e-4 (a
            related public implementation) for large.

    Raises:
        QftError: The model's rate is not a number above 0.
    """
    if given is not None:
        return LearningRate(given, automatic=False)
    rate = model.get("lr")
    if rate is None:
        rate = 1e-2 if hidden_size < SMALL else 5e-4
    check_one("model.lr", rate, Range(above=0))
    return LearningRate(float(rate) * adapter.get("lr_scale", 1.0), automatic=True)
