"""Gates and channels as they act on Pauli strings, and observables carried back through them.

A gate U has the transfer matrix R with U^+ P_i U = sum_j R_ij P_j, real (4^m, 4^m) for m qubits, first qubit
slowest; a channel likewise with its adjoint. An observable is a tensor over (I, X, Y, Z)^r, and goes back
through a circuit step by step (Heisenberg picture). The Pauli vector of a state goes forward: v -> R v.
"""

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from qft.quantum.autodiff import cached_constant
from qft.quantum.reference import PAULIS, gate_matrix

ID, X, Y, Z = range(4)  # order of the Paulis on every axis of length 4
# generator G and its spectrum: the gate is exp(-i angle G)
_GENERATORS = {
    "RX": PAULIS[1] / 2,
    "RY": PAULIS[2] / 2,
    "RZ": PAULIS[3] / 2,
    "CRZ": np.diag([0, 0, 0.5, -0.5]).astype(complex),
}


def _strings(m: int) -> np.ndarray:
    """All Pauli strings on m qubits, complex (4^m, 2^m, 2^m), first qubit slowest."""
    out = np.ones((1, 1, 1), dtype=complex)
    for _ in range(m):
        out = np.array([np.kron(a, p) for a in out for p in PAULIS])
    return out


@cache
def _transfer_basis(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Transfer matrix of a rotation: R(angle) = sum_f cos(w_f angle) C_f + sin(w_f angle) S_f.

    Returns frequencies (F,) and the stacked [C; S], real (2F, 4^m * 4^m), where U^+ P_i U = sum_j R_ij P_j.
    """
    levels, vectors = np.linalg.eigh(_GENERATORS[name])
    m = int(np.log2(len(levels)))
    strings = _strings(m)
    terms: dict[float, np.ndarray] = {}
    for a, left in enumerate(vectors.T):
        for b, right in enumerate(vectors.T):
            # |left><left| P |right><right| turns with the phase exp(i angle (level_a - level_b))
            inner = np.einsum("x,ixy,y->i", left.conj(), strings, right)
            outer = np.einsum("x,jxy,y->j", right.conj(), strings, left) / 2**m
            key = round(float(levels[a] - levels[b]), 9)
            terms[key] = terms.get(key, 0) + np.outer(inner, outer)
    frequencies = sorted(f for f in terms if f >= 0)
    cosine = [(terms[f] if f == 0 else terms[f] + terms[-f]).real.ravel() for f in frequencies]
    sine = [(0 * terms[f] if f == 0 else 1j * (terms[f] - terms[-f])).real.ravel() for f in frequencies]
    return np.array(frequencies), np.array(cosine + sine)


@cache
def fixed_transfer(name: str) -> np.ndarray:
    """Transfer matrix of a gate without an angle, real (4^m, 4^m)."""
    return unitary_transfer(gate_matrix(name))


def unitary_transfer(u: np.ndarray) -> np.ndarray:
    """Transfer matrix of a unitary (2^m, 2^m), first qubit slowest: real (4^m, 4^m)."""
    strings = _strings(int(np.log2(len(u))))
    moved = np.einsum("yx,iyz,zw->ixw", u.conj(), strings, u)
    out: np.ndarray = np.einsum("ixw,jwx->ij", moved, strings).real / len(u)
    return out


def transfer_matrices(name: str, angles: Tensor) -> Tensor:
    """Pauli transfer matrices (..., 4^m, 4^m) of a rotation for angles (...), in the angles' dtype."""
    frequencies, basis = _basis_tensors(name, angles.dtype, angles.device)
    phase = angles.unsqueeze(-1) * frequencies
    size = math.isqrt(basis.shape[1])
    out: Tensor = (torch.cat((phase.cos(), phase.sin()), -1) @ basis).unflatten(-1, (size, size))
    return out


@cached_constant
def _basis_tensors(name: str, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    frequencies, basis = _transfer_basis(name)
    return constant(frequencies, dtype, device), constant(basis, dtype, device)


def constant(values: Any, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Numbers to use in every step, as an ordinary tensor even if first asked for in inference mode."""
    with torch.inference_mode(False):
        return torch.tensor(values, dtype=dtype, device=device)


Step = tuple[tuple[int, ...], Tensor]  # the qubits acted on and the transfer matrix (*batch, 4^m, 4^m)


def z_observables(qubits: int, like: Tensor) -> Tensor:
    """Z_k for every qubit k: (r, 4, ..., 4) in the dtype and on the device of ``like``. Not to be written to."""
    return _z_observables(qubits, like.dtype, like.device)


@cached_constant
def _z_observables(qubits: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    out = np.zeros((qubits,) + (4,) * qubits)
    for q in range(qubits):
        out[(q,) + (ID,) * q + (Z,) + (ID,) * (qubits - q - 1)] = 1
    return constant(out, dtype, device)


def pull_back(observables: Tensor, steps: Sequence[Step], qubits: int) -> Tensor:
    """Observables (*batch, k, 4, ..., 4) before ``steps``, which are given in the order they are applied."""
    o = observables
    batch = o.shape[: o.dim() - qubits - 1]
    for on, transfer in reversed(steps):
        axes, last = [q - qubits for q in on], list(range(-len(on), 0))
        moved = o.movedim(axes, last)
        flat = moved.reshape(*batch, -1, 4 ** len(on)) @ transfer
        o = flat.reshape(moved.shape).movedim(last, axes)
    return o


def z_strings(qubits: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """All products of Z over subsets of qubits (2^r, 4, ..., 4), and signs (2^r, 2^r): their values on bit strings.

    Subsets and outcomes are numbered alike, qubit 0 being the most significant bit, so that the probabilities of
    the outcomes are signs @ <strings> / 2^r. Subset 2^(r-1-q) is Z_q alone.
    """
    out = torch.zeros((2**qubits,) + (4,) * qubits, dtype=like.dtype, device=like.device)
    bits = (np.arange(2**qubits) >> np.arange(qubits)[::-1, None]) & 1  # (r, 2^r)
    for k, subset in enumerate(bits.T):
        out[(k, *(Z if b else ID for b in subset))] = 1
    signs = 1 - 2 * (bits.T @ bits % 2)
    return out, torch.as_tensor(signs, dtype=like.dtype, device=like.device)
