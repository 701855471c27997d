"""The response polynomial of one encoding as a sum of cosines, for a few rows at a time: three kernels.

    <Z_k>(z) = sum over m of B[k, m] cos(omega_m . z + phi_m)

The products of 1, cos z_i and sin z_i of ``multilinear.py`` span the same functions as cos(omega . z) and
sin(omega . z) with omega in {-1, 0, 1}^r, one of each pair +-omega: 3^r in all. B follows from the values on a grid of
three angles for each input, on which these functions are orthogonal. A row costs 3^r cosines, which a few rows at a
time take in less time than the calls of kernels for their products. No gradient.
"""

from itertools import product
from math import pi

import torch
from torch import Tensor

from qft.quantum.autodiff import cached_constant
from qft.quantum.circuit import Circuit
from qft.quantum.gradients import Readout
from qft.quantum.simulators import multilinear
from qft.quantum.simulators.fourier import grid
from qft.quantum.simulators.transfer import constant

MAX_QUBITS = 5  # 243 cosines a row


def is_short(circuit: Circuit) -> bool:
    """Whether this file can evaluate the circuit, and with few terms."""
    return circuit.qubits <= MAX_QUBITS and multilinear.is_multilinear(circuit)


@cached_constant
def _waves(qubits: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """omega (3^r, r) and phi (3^r, 1): 0, or -pi/2 for a sine."""
    frequencies = [omega for omega in product((0, 1, -1), repeat=qubits) if omega >= tuple(-w for w in omega)]
    waves = [(omega, phi) for omega in frequencies for phi in ((0.0, -pi / 2) if any(omega) else (0.0,))]
    omegas = constant([list(omega) for omega, _ in waves], dtype, device)
    return omegas, constant([[phi] for _, phi in waves], dtype, device)


@torch.no_grad()
def bind(circuit: Circuit, weights: Tensor) -> Readout:
    """A read-out of the circuit for few rows.

    Args:
        circuit: One that ``is_short``.
        weights: (num_weights,), float32 or float64; angles in radians.

    Returns:
        A function of inputs (r, t), of the weights' dtype, that gives <Z> of every qubit (r, t).
    """
    r, exact = circuit.qubits, weights.detach().double()
    at = grid(r, 1, exact)
    omega, phi = _waves(r, exact.dtype, exact.device)
    on_grid = torch.addmm(phi, omega, at).cos()
    values = multilinear.evaluate(multilinear.coefficients(circuit, exact), at)
    coefficients = (values @ on_grid.T / on_grid.square().sum(1)).to(weights.dtype)
    omega, phi = _waves(r, weights.dtype, weights.device)

    def read(z: Tensor) -> Tensor:
        return coefficients @ torch.addmm(phi, omega, z).cos_()

    return read
