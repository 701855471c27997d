"""What stands between the two factors of a hybrid method, w = middle(z): the circuit, or a control in its place.

    qnn           <Z> of r qubits after RY(z)                   its angles, U(-pi, pi)
    none          there is no w                                 none
    constants     c                                             r; affine, so it can be merged
    silu          w_k = SiLU(a_k z_k + b_k)                     2 r (QWTHN)
                  h <- SiLU(W_l h) from h = z, L times          L r^2 (QTHA)
    polynomial    sum_p C[k, p] prod_i p_i(z_i)                 r 3^r: the circuit without its constraints

Controls start at the size <Z> of a random circuit has. A middle is a rule, not a torch module: its weights are one
tensor of the adapter itself, under the name they have in the files of version 0.1.0.
"""

from math import prod
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from qft.adapters.delta import Delta
from qft.quantum.backends.base import Readout
from qft.quantum.circuit import Circuit
from qft.quantum.simulators import multilinear


def uniform(*shape: int, variance: float, generator: torch.Generator | None) -> nn.Parameter:
    """U(-b, b) of this variance. 1 / (3 fan_in) is torch's own start of a linear layer (Kaiming, a = sqrt 5)."""
    bound = (3 * variance) ** 0.5
    return nn.Parameter(torch.empty(shape).uniform_(-bound, bound, generator=generator))


class Middle:
    """A rule w = forward(z, weights), with the shape of its weights and the variance they start with."""

    name: ClassVar[str]  # of the weights, in the adapter and its files
    affine: ClassVar[bool] = False  # w does not depend on z
    circuit: Circuit | None = None

    def __init__(self, *shape: int, variance: float) -> None:
        self.shape, self.variance = shape, variance

    def count(self) -> int:
        """Trainable parameters."""
        return prod(self.shape)

    def add_to(self, delta: Delta, generator: torch.Generator | None) -> None:
        """Give the adapter its weights, drawn from this generator."""
        delta.register_parameter(self.name, uniform(*self.shape, variance=self.variance, generator=generator))

    def bind(self, delta: Delta) -> Readout | None:
        """z (r, t) -> w (r, t) at the adapter's present weights; None where there is no w."""
        weights = delta._parameters[self.name]
        assert weights is not None
        return lambda z: self.forward(z, weights)

    def forward(self, z: Tensor, weights: Tensor) -> Tensor:
        """z (r, t) -> w (r, t)."""
        raise NotImplementedError


class QNN(Middle):
    """circuit=qnn: <Z> of each qubit. ``trained=False`` freezes the random angles."""

    def __init__(self, circuit: Circuit, trained: bool) -> None:
        self.circuit, self.trained = circuit, trained

    def count(self) -> int:
        assert self.circuit is not None
        return self.circuit.num_weights if self.trained else 0

    def add_to(self, delta: Delta, generator: torch.Generator | None) -> None:
        delta.add_circuit(self.circuit, generator, self.trained)

    def bind(self, delta: Delta) -> Readout:
        return delta.read_circuit()


class Nothing(Middle):
    """circuit=none: the classical path alone."""

    affine = True

    def __init__(self) -> None:
        super().__init__(0, variance=0)

    def add_to(self, delta: Delta, generator: torch.Generator | None) -> None:
        """It has no weights."""

    def bind(self, delta: Delta) -> None:
        return None


class Constants(Middle):
    """circuit=constants: the same w for every token."""

    name = "constants"
    affine = True

    def __init__(self, r: int) -> None:
        super().__init__(r, variance=1 / 3)

    def forward(self, z: Tensor, weights: Tensor) -> Tensor:
        return weights.unsqueeze(1).expand_as(z)


class GatedSiLU(Middle):
    """circuit=silu of QWTHN: a slope and an offset a qubit, weights (2, r)."""

    name = "silu"

    def __init__(self, r: int) -> None:
        super().__init__(2, r, variance=1 / 3)

    def forward(self, z: Tensor, weights: Tensor) -> Tensor:
        slope, offset = weights.unsqueeze(-1)
        return silu(torch.addcmul(offset, slope, z))


class SiLULayers(Middle):
    """circuit=silu of QTHA: as many matrices as the circuit has layers, weights (L, r, r).

    Kaiming with gain 2: with torch's own 1/3, L layers of SiLU would shrink their input to nothing.
    """

    name = "silu"

    def __init__(self, layers: int, r: int) -> None:
        super().__init__(layers, r, r, variance=2 / r)

    def forward(self, z: Tensor, weights: Tensor) -> Tensor:
        for matrix in weights:
            z = silu(matrix @ z)
        return z


class Polynomial(Middle):
    """circuit=polynomial: every trigonometric polynomial of degree 1 in each z_i, weights (r, 3^r)."""

    name = "terms"

    def __init__(self, r: int) -> None:
        # the mean square over z of a sum of these 3^r terms is 2^r times that of a coefficient
        super().__init__(r, 3**r, variance=2**-r / 3)

    def forward(self, z: Tensor, weights: Tensor) -> Tensor:
        return multilinear.evaluate(weights, z)
