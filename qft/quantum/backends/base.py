"""The contract of a backend: bind a circuit to its weights once a step, then read it out for many rows."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from qft.quantum.circuit import Circuit

Readout = Callable[[Tensor], Tensor]
Gradient = Literal["autograd", "parameter_shift"]


class Backend(ABC):
    """Evaluates <Z_k> of every qubit. ``evaluations`` counts circuits: one a row, those of a backward included.

    ``gradient``: how read-outs are differentiated. parameter_shift runs further circuits (``gradients.py``); None
    means not at all, so that the backend evaluates and never trains. ``shots``: measurements of a circuit, None where
    expectations are exact. ``seeded``: whether equal seeds give equal shots. ``ordinary``: whether read-outs are made
    of torch's own operations alone, which torch.func and forward-mode derivatives can follow; ``compiles``: whether
    torch.compile can, too.
    """

    name: str
    gradient: Gradient | None = None
    trains: ClassVar[bool] = True  # False: with no options is there a gradient, so training is refused at once
    shots: int | None = None
    seeded: bool = True
    ordinary: bool = False
    compiles: bool = False
    transient: ClassVar[tuple[str, ...]] = ()  # options that decide how results are had, not which

    def __init__(self) -> None:
        self.evaluations = 0

    @abstractmethod
    def bind(self, circuit: Circuit, weights: Tensor) -> Readout:
        """Prepare ``circuit`` for weights (num_weights,); the result maps inputs (r, t) to <Z> (r, t).

        Inputs and weights are float32 or float64 and of one dtype. Raises ValueError for a circuit this
        backend cannot evaluate.
        """

    def refusal(self, circuit: Circuit) -> str | None:
        """Why this backend cannot evaluate ``circuit``, as the end of a sentence; None where it can."""
        return None

    def count(self, rows: int) -> None:
        """Record that ``rows`` circuits were evaluated; not in a compiled graph, which would follow the number."""
        if not torch.compiler.is_compiling():
            self.evaluations += rows

    def begin(self, folder: Path, experiment: str, circuits: Sequence[tuple[Circuit, Tensor]]) -> None:  # noqa: B027
        """Told once by a command: where the run keeps its files, what it evaluates, and all circuits to come."""

    def close(self) -> None:  # noqa: B027
        """Told by the command when it ends."""

    def report(self) -> dict[str, Any]:
        """What a run's record should say besides the name and the number of circuits."""
        return {}
