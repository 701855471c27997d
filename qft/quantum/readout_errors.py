"""What a chip makes of each read-out, beside the ideal one at the same angles.

error    e = w_chip - w                        of infinitely many shots: gates, decay, wrong reading
slope    sum w_chip w / sum w w                what is left of a read-out: noise shrinks it
shots    sqrt((1 - w_chip^2) / N)              standard error of a read-out measured N times
"""

from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor

from qft.quantum.backends.base import Backend, Readout
from qft.quantum.circuit import Circuit


@dataclass
class ReadoutErrors:
    """Sums over read-outs <Z_k> of one or several circuits."""

    readouts: int = 0
    squares: float = 0.0  # of w_chip - w
    ideal: float = 0.0  # of w w
    products: float = 0.0  # of w_chip w
    variance: float = 0.0  # of one shot: 1 - w_chip^2

    def add(self, chip: Tensor, ideal: Tensor) -> None:
        """Read-outs (r, t) of the chip and ideal ones."""
        w, v = chip.double(), ideal.double()
        self.readouts += w.numel()
        self.squares += float((w - v).square().sum())
        self.ideal += float(v.square().sum())
        self.products += float((w * v).sum())
        self.variance += float((1 - w.square()).clamp_min(0).sum())

    @property
    def error(self) -> float:
        """Root of the mean square of w_chip - w."""
        return sqrt(self.squares / max(self.readouts, 1))

    @property
    def slope(self) -> float | None:
        """What is left of a read-out, by least squares through 0; None where all ideal ones are 0."""
        return self.products / self.ideal if self.ideal else None

    def shot_error(self, shots: int) -> float:
        """Root of the mean variance of a read-out measured ``shots`` times."""
        return sqrt(self.variance / max(self.readouts, 1) / shots)


class Compared(Backend):
    """The read-outs of ``chip``, each compared with those of ``ideal`` and added to ``errors``."""

    name = "compared"
    trains = False

    def __init__(self, chip: Backend, ideal: Backend, errors: ReadoutErrors) -> None:
        super().__init__()
        self.chip, self.ideal, self.errors = chip, ideal, errors

    def refusal(self, circuit: Circuit) -> str | None:
        return self.chip.refusal(circuit) or self.ideal.refusal(circuit)

    @torch.no_grad()
    def bind(self, circuit: Circuit, weights: Tensor) -> Readout:
        read, expected = self.chip.bind(circuit, weights), self.ideal.bind(circuit, weights)

        @torch.no_grad()
        def values(inputs: Tensor) -> Tensor:
            self.count(inputs.shape[-1])
            out = read(inputs)
            self.errors.add(out, expected(inputs))
            return out

        return values
