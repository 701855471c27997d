"""The matrices of a circuit's layers as differentiable functions of its weights: few kernels, not one a gate."""

from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from qft.quantum.circuit import Circuit, Weight
from qft.quantum.layers import FIXED, Angle, layers
from qft.quantum.reference import PAULIS

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

    whole = layers(circuit)
    names = {name: 1 + k for k, name in enumerate(FIXED)}
    paulis: list[np.ndarray] = []
    rotation_angles: list[int] = []
    depth = max((len(q) for layer in whole for q in layer.local), default=1) or 1
    factors = np.zeros((len(whole), circuit.qubits, depth), dtype=np.int64)
    for k, layer in enumerate(whole):
        for q, local in enumerate(layer.local):
            for d, factor in enumerate(local):
                if isinstance(factor, str):
                    factors[k, q, d] = names[factor]
                else:
                    factors[k, q, d] = 1 + len(FIXED) + len(paulis)
                    paulis.append(_PAULI[factor[0]])
                    rotation_angles.append(angle_index(factor[1]))
    owners = [k for k, layer in enumerate(whole) if layer.fixed]
    terms = [(owners.index(k), *term) for k in owners for term in whole[k].fixed]
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


def _complex(weights: Tensor) -> torch.dtype:
    return torch.complex64 if weights.dtype == torch.float32 else torch.complex128


def _angles(tables: _Tables, weights: Tensor, index: list[int]) -> Tensor:
    everything = torch.cat((weights, weights.new_tensor(tables.constants)))
    return everything[torch.tensor(index, dtype=torch.long, device=weights.device)]


def local_matrices(circuit: Circuit, weights: Tensor, first: int, last: int) -> Tensor:
    """The local layers on qubits first <= q < last as matrices: complex (layers, 2^m, 2^m), m = last - first."""
    tables, dtype, device = _tables(circuit), _complex(weights), weights.device
    fixed = torch.as_tensor(np.array([np.eye(2), *FIXED.values()]), dtype=dtype, device=device)
    half = _angles(tables, weights, tables.rotation_angles)[:, None, None] / 2
    paulis = torch.as_tensor(tables.paulis, dtype=dtype, device=device)
    rotations = half.cos() * fixed[0] - 1j * half.sin() * paulis
    index = torch.as_tensor(tables.factors[:, first:last], device=device)
    factors = torch.cat((fixed, rotations))[index]  # (layers, m, depth, 2, 2)
    each = factors[:, :, 0]
    for d in range(1, factors.shape[2]):
        each = factors[:, :, d] @ each
    out = each[:, 0]
    for q in range(1, last - first):
        out = (out[:, :, None, :, None] * each[:, q, None, :, None, :]).flatten(3, 4).flatten(1, 2)
    return out


def diagonals(circuit: Circuit, weights: Tensor) -> dict[int, Tensor]:
    """The fixed diagonals by layer, complex (2^r,); layers without one are left out."""
    tables = _tables(circuit)
    if not tables.diagonal_layers:
        return {}
    rows = torch.as_tensor(tables.diagonal_rows, dtype=weights.dtype, device=weights.device)
    generators = torch.as_tensor(tables.generators, dtype=weights.dtype, device=weights.device)
    phase = (rows * _angles(tables, weights, tables.diagonal_angles)) @ generators
    return dict(zip(tables.diagonal_layers, torch.complex(phase.cos(), -phase.sin())))
