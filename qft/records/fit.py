"""fit.json: what methods can express of a trained adapter."""

from dataclasses import dataclass
from typing import ClassVar

from qft.records.schema import Document


@dataclass
class MethodFit:
    """A method at its best on one layer."""

    method: str  # NAME or NAME:OPTION=VALUE
    parameters: int  # trainable ones of this layer
    left: float  # share of what the adapter adds, squared, that is left on other tokens
    left_fitted: float  # the same on the tokens that were fitted
    adam: float | None  # what Adam leaves on other tokens, at the best of its rates; null: it diverged
    evaluations: int  # of loss and gradient
    seconds: float  # of all of it


@dataclass
class LayerFit:
    """One layer of the base."""

    layer: str  # its name
    in_features: int  # of the layer
    out_features: int  # of the layer
    size: float  # mean of |d|^2 over |y|^2: how much the adapter adds to the layer's output
    ranks: dict[str, float]  # rank -> what the best linear map of that rank leaves
    methods: list[MethodFit]  # in the order asked for


@dataclass
class Fit(Document):
    """What ``qft fit`` found."""

    FILE: ClassVar[str] = "fit.json"

    run: str  # whose adapter was fitted
    adapter: str  # its method
    base: str  # fingerprint
    tokens: int  # fitted, and as many measured
    steps: int  # of Adam, as many as the run has
    rates: list[float]  # of Adam, over each method's own
    layers: list[LayerFit]  # in the model's order
    refused: dict[str, str]  # method -> why it could not be fitted
