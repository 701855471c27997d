"""The matrices of a circuit's layers as differentiable functions of its weights: few kernels, not one a gate."""

from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from qft.quantum.autodiff import cached_constant
from qft.quantum.circuit import Circuit, Weight
from qft.quantum.reference import PAULIS
from qft.quantum.simulators.transfer import constant
from qft.quantum.simulators.unitary_layers import FIXED, Angle, unitary_layers

_PAULI = dict(zip(("RX", "RY", "RZ"), PAULIS[1:]))


class _Tables(NamedTuple):
    """Numbers and indices of one circuit. An angle is an index into weights followed by constants."""

    constants: list[float]
    paulis: np.ndarray  # (rotations, 2, 2)
    rotation_angles: list[int]
    factors: np.ndarray  # (layers, r, depth): index into identity, FIXED, rotations
    diagonal_layers: list[int]
    diagonal_angles: list[int]
    diagonal_rows: np.ndarray  # (diagonals, terms): 1 where a term belongs to a diagonal
    generators: np.ndarray  # (terms, 2^r)


@cache
def _tables(circuit: Circuit) -> _Tables:
    constants: list[float] = []

    def angle_index(angle: Angle) -> int:
        if isinstance(angle, Weight):
            return angle.index
        constants.append(angle)
        return circuit.num_weights + len(constants) - 1

    layers = unitary_layers(circuit)
    names = {name: 1 + k for k, name in enumerate(FIXED)}
    paulis: list[np.ndarray] = []
    rotation_angles: list[int] = []
    depth = max((len(q) for layer in layers for q in layer.local), default=1) or 1
    factors = np.zeros((len(layers), circuit.qubits, depth), dtype=np.int64)
    for k, layer in enumerate(layers):
        for q, local in enumerate(layer.local):
            for d, factor in enumerate(local):
                if isinstance(factor, str):
                    factors[k, q, d] = names[factor]
                else:
                    factors[k, q, d] = 1 + len(FIXED) + len(paulis)
                    paulis.append(_PAULI[factor[0]])
                    rotation_angles.append(angle_index(factor[1]))
    owners = [k for k, layer in enumerate(layers) if layer.fixed]
    terms = [(owners.index(k), *term) for k in owners for term in layers[k].fixed]
    rows = np.zeros((len(owners), len(terms)))
    rows[[t[0] for t in terms], range(len(terms))] = 1
    return _Tables(
        constants,
        np.array(paulis, dtype=complex).reshape(-1, 2, 2),
        rotation_angles,
        factors,
        owners,
        [angle_index(t[1]) for t in terms],
        rows,
        np.array([t[2] for t in terms], dtype=float).reshape(len(terms), 2**circuit.qubits),
    )


class _Constants(NamedTuple):
    """_Tables as tensors."""

    numbers: Tensor  # to follow the weights
    fixed: Tensor  # (n, 2, 2) complex: the identity, then FIXED
    paulis: Tensor  # (rotations, 2, 2) complex
    rotation_angles: Tensor
    factors: Tensor  # (layers, r, depth)
    diagonal_angles: Tensor
    diagonal_rows: Tensor
    generators: Tensor


@cached_constant
def _constants(circuit: Circuit, dtype: torch.dtype, device: torch.device) -> _Constants:
    tables = _tables(circuit)
    complex_ = torch.complex64 if dtype == torch.float32 else torch.complex128
    return _Constants(
        constant(tables.constants, dtype, device),
        constant(np.array([np.eye(2), *FIXED.values()]), complex_, device),
        constant(tables.paulis, complex_, device),
        constant(tables.rotation_angles, torch.long, device),
        constant(tables.factors, torch.long, device),
        constant(tables.diagonal_angles, torch.long, device),
        constant(tables.diagonal_rows, dtype, device),
        constant(tables.generators, dtype, device),
    )


@cached_constant
def _diagonal_layers(circuit: Circuit) -> list[int]:
    return _tables(circuit).diagonal_layers


def local_matrices(circuit: Circuit, weights: Tensor, first: int, last: int) -> Tensor:
    """The local layers on some neighbouring qubits as matrices, differentiable in the weights.

    Args:
        circuit: Any.
        weights: (num_weights,), float32 or float64, in radians.
        first: The first of the qubits.
        last: The one after the last of them.

    Returns:
        complex64 or complex128 (layers, 2^m, 2^m), m = last - first, qubit ``first`` slowest.
    """
    c = _constants(circuit, weights.dtype, weights.device)
    half = torch.cat((weights, c.numbers))[c.rotation_angles][:, None, None] / 2
    rotations = half.cos() * c.fixed[0] - 1j * half.sin() * c.paulis
    factors = torch.cat((c.fixed, rotations))[c.factors[:, first:last]]  # (layers, m, depth, 2, 2)
    each = factors[:, :, 0]
    for d in range(1, factors.shape[2]):
        each = factors[:, :, d] @ each
    out = each[:, 0]
    for q in range(1, last - first):
        out = (out[:, :, None, :, None] * each[:, q, None, :, None, :]).flatten(3, 4).flatten(1, 2)
    return out


def diagonals(circuit: Circuit, weights: Tensor) -> dict[int, Tensor]:
    """The fixed diagonals by layer, complex (2^r,); layers without one are left out."""
    which = _diagonal_layers(circuit)
    if not which:
        return {}
    c = _constants(circuit, weights.dtype, weights.device)
    angles = torch.cat((weights, c.numbers))[c.diagonal_angles]
    phase = (c.diagonal_rows * angles) @ c.generators
    return dict(zip(which, torch.complex(phase.cos(), -phase.sin())))
