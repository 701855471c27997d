"""The contract of a backend: bind a circuit to its weights once a step, then read it out for many rows."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from qft.quantum.chip_noise import Noise
from qft.quantum.circuit import Circuit
from qft.quantum.gradients import Readout
from qft.quantum.mitigation import OFF, Mitigation

__all__ = ["Backend", "Gradient", "Readout"]

Gradient = Literal["autograd", "parameter_shift"]


class Backend(ABC):
    """Evaluates <Z_k> of every qubit. What it can do stands in its attributes: callers ask, and never guess.

    Attributes:
        name: The ``backend=`` that it is.
        gradient: How read-outs are differentiated. "parameter_shift" runs further circuits (``gradients.py``); None
            means not at all: the backend evaluates and never trains.
        trains: False where no options give a gradient, so that training is refused before the backend is built.
        shots: Measurements of a circuit; None where expectations are exact.
        seeded: Whether equal seeds give equal shots.
        noise: The noise it simulates, a model or that of a calibrated chip; None where there is none, or where it is
            not known.
        mitigation: What it does against that noise.
        plain_torch: Whether read-outs are made of torch's own operations alone, which torch.func and forward-mode
            derivatives can follow.
        compiles: Whether torch.compile can follow them, too.
        transient: Options that do not decide results, only how they are obtained: where, how often, how long.
        evaluations: Circuits evaluated so far, one a row, those of a backward included. A checkpoint restores it.
    """

    name: str
    gradient: Gradient | None = None
    trains: ClassVar[bool] = True
    shots: int | None = None
    seeded: bool = True
    noise: Noise | None = None
    mitigation: Mitigation = OFF
    plain_torch: bool = False
    compiles: bool = False
    transient: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        self.evaluations = 0

    @abstractmethod
    def bind(self, circuit: Circuit, weights: Tensor) -> Readout:
        """Prepare ``circuit`` for its weights.

        Args:
            circuit: One that ``refusal`` has nothing against.
            weights: (num_weights,), float32 or float64; angles in radians.

        Returns:
            A function of inputs (num_inputs, t), of the weights' dtype, that gives <Z> of every qubit (r, t).

        Raises:
            ValueError: This backend cannot evaluate the circuit.
        """

    def bind_few(self, circuit: Circuit, weights: Tensor) -> Readout | None:
        """As ``bind``, for a few rows at a time and without gradients; None where there is no faster way for them.

        Equal to what ``bind`` gives within rounding.
        """
        return None

    def refusal(self, circuit: Circuit) -> str | None:
        """Why this backend cannot evaluate ``circuit``, as the end of a sentence; None where it can."""
        return None

    def count(self, rows: int) -> None:
        """Record that ``rows`` circuits were evaluated; not in a compiled graph, which would follow the number."""
        if not torch.compiler.is_compiling():
            self.evaluations += rows

    def begin(self, folder: Path, experiment: str, circuits: Sequence[tuple[Circuit, Tensor]]) -> None:  # noqa: B027
        """Called once by a command, before anything is evaluated.

        Args:
            folder: Where the run keeps its files.
            experiment: What is evaluated: base model and adapter.
            circuits: All circuits to come, with their weights.
        """

    def close(self) -> None:  # noqa: B027
        """Called by the command when it ends."""

    def report(self) -> dict[str, Any]:
        """What a run's record should say besides the name and the number of circuits."""
        return {}
