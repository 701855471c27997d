"""A circuit that encodes each input once is a small trigonometric polynomial of its inputs.

With one RY(z_i) on each qubit before everything else, the Bloch vector of qubit i is
(sin z_i, 0, cos z_i), so every read-out is multilinear:

    <Z_k>(z) = sum over p in {1, cos, sin}^r of C[k, p] * prod_i p_i(z_i)

C depends on the trainable angles alone. It is the Pauli expansion of Z_k carried back through the gates
(Heisenberg picture), built once a step; each row of inputs then costs two small matrix products.
Exact, differentiable in weights and inputs. Cost: 4^r per gate to build, r * 3^r per row to evaluate.
"""

from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from qft.quantum.circuit import Circuit, Gate, Input, Weight

_FEW = 1 << 16  # terms times rows up to which all terms are simply written out
MAX_QUBITS = 8  # 4^8 Pauli terms per observable; beyond this a state vector is the better tool

_PAULIS = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
_I, _X, _Z = 0, 1, 3
# generator G and its spectrum: the gate is exp(-i angle G)
_GENERATORS = {
    "RX": _PAULIS[1] / 2,
    "RY": _PAULIS[2] / 2,
    "RZ": _PAULIS[3] / 2,
    "CRZ": np.diag([0, 0, 0.5, -0.5]).astype(complex),
}
_FIXED = {
    "H": (_PAULIS[1] + _PAULIS[3]) / np.sqrt(2),
    "X": _PAULIS[1],
    "CNOT": np.eye(4)[[0, 1, 3, 2]].astype(complex),
    "CZ": np.diag([1, 1, 1, -1]).astype(complex),
}


def _strings(m: int) -> np.ndarray:
    """All Pauli strings on m qubits, complex (4^m, 2^m, 2^m), first qubit slowest."""
    out = np.ones((1, 1, 1), dtype=complex)
    for _ in range(m):
        out = np.array([np.kron(a, p) for a in out for p in _PAULIS])
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
def _fixed_transfer(name: str) -> np.ndarray:
    """Transfer matrix of a gate without an angle, real (4^m, 4^m)."""
    u = _FIXED[name]
    strings = _strings(int(np.log2(len(u))))
    moved = np.einsum("yx,iyz,zw->ixw", u.conj(), strings, u)
    return np.einsum("ixw,jwx->ij", moved, strings).real / len(u)


def transfer_matrices(name: str, angles: Tensor) -> Tensor:
    """Pauli transfer matrices (..., 4^m, 4^m) of a rotation for angles (...), in the angles' dtype."""
    frequencies, basis = _transfer_basis(name)
    w = torch.as_tensor(frequencies, dtype=angles.dtype, device=angles.device)
    b = torch.as_tensor(basis, dtype=angles.dtype, device=angles.device)
    phase = angles.unsqueeze(-1) * w
    size = int(np.sqrt(basis.shape[1]))
    return (torch.cat((phase.cos(), phase.sin()), -1) @ b).unflatten(-1, (size, size))


def split_encoding(circuit: Circuit) -> tuple[Gate, ...]:
    """The gates after the encoding layer. Raises ValueError unless every qubit starts with RY(z_q), once."""
    first = [Gate("RY", (q,), Input(q)) for q in range(circuit.qubits)]
    rest = circuit.gates[circuit.qubits :]
    if sorted(circuit.gates[: circuit.qubits], key=lambda g: g.qubits) != first:
        raise ValueError("the circuit must begin with RY(input q) on every qubit q")
    if any(isinstance(g.angle, Input) for g in rest):
        raise ValueError("the circuit encodes an input again later; its response is not multilinear")
    if circuit.qubits > MAX_QUBITS:
        raise ValueError(f"{circuit.qubits} qubits; the response polynomial is for at most {MAX_QUBITS}")
    return rest


def is_multilinear(circuit: Circuit) -> bool:
    """Whether this file can evaluate the circuit: one leading RY(z_q) a qubit, at most MAX_QUBITS of them."""
    try:
        split_encoding(circuit)
    except ValueError:
        return False
    return True


def coefficients(circuit: Circuit, weights: Tensor) -> Tensor:
    """C of the module docstring: weights (..., num_weights) -> (..., r, 3^r), same real dtype.

    The p axis runs over (1, cos, sin)^r with qubit 0 slowest. Leading axes are a batch of circuits.
    """
    rest = split_encoding(circuit)
    r, batch = circuit.qubits, weights.shape[:-1]
    observables = torch.zeros((r,) + (4,) * r, dtype=weights.dtype, device=weights.device)
    for q in range(r):
        observables[(q,) + (_I,) * q + (_Z,) + (_I,) * (r - q - 1)] = 1
    o = observables.expand(*batch, *observables.shape)
    tables = _weight_tables(rest, weights)
    for gate in reversed(rest):
        if isinstance(gate.angle, Weight):
            table, position = tables[gate.name]
            transfer = table[..., position[gate], :, :]
        elif gate.angle is None:
            transfer = torch.as_tensor(_fixed_transfer(gate.name), dtype=weights.dtype, device=weights.device)
        else:
            transfer = transfer_matrices(gate.name, weights.new_tensor(gate.angle))
        axes = [q - r for q in gate.qubits]
        moved = o.movedim(axes, list(range(-len(axes), 0)))
        flat = moved.reshape(*batch, -1, 4 ** len(axes)) @ transfer
        o = flat.reshape(moved.shape).movedim(list(range(-len(axes), 0)), axes)
    # <I>, <Z>, <X> of an encoded qubit are 1, cos z, sin z; <Y> is 0
    keep = torch.tensor([_I, _Z, _X], device=weights.device)
    for axis in range(-r, 0):
        o = o.index_select(axis, keep)
    return o.reshape(*batch, r, 3**r)


def _weight_tables(gates: tuple[Gate, ...], weights: Tensor) -> dict[str, tuple[Tensor, dict[Gate, int]]]:
    """All transfer matrices of one kind of gate in one product: few kernels, not one a gate."""
    tables = {}
    for name in {g.name: None for g in gates if isinstance(g.angle, Weight)}:
        mine = [g for g in gates if g.name == name and isinstance(g.angle, Weight)]
        index = torch.tensor([g.angle.index for g in mine], device=weights.device)  # type: ignore[union-attr]
        tables[name] = transfer_matrices(name, weights[..., index]), {g: k for k, g in enumerate(mine)}
    return tables


class _Multilinear(torch.autograd.Function):
    """evaluate() with a backward that keeps C and the cosines and sines of z, and rebuilds their products."""

    @staticmethod
    def forward(ctx, c: Tensor, z: Tensor) -> Tensor:  # type: ignore[override]
        cos, sin = z.cos(), z.sin()
        ctx.save_for_backward(c, cos, sin)
        u, v = _half_features(cos, sin)
        mid = (_folded(c, u[-1].shape[0]) @ u[-1]).reshape(c.shape[0], -1, z.shape[-1])
        return mid.mul_(v[-1]).sum(1)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):  # type: ignore[override]
        c, cos, sin = ctx.saved_tensors
        u, v = _half_features(cos, sin)
        (k, t), nu, nv = grad.shape, u[-1].shape[0], v[-1].shape[0]
        grad_c = grad_z = None
        by_v = (grad.unsqueeze(1) * v[-1]).reshape(-1, t)  # (k nv, t)
        if ctx.needs_input_grad[0]:
            grad_c = (u[-1] @ by_v.T).reshape(nu, k, nv).transpose(0, 1).reshape(c.shape)
        if ctx.needs_input_grad[1]:
            by_u = (grad.unsqueeze(1) * u[-1]).reshape(-1, t)  # (k nu, t)
            grad_v = c.reshape(-1, nv).T @ by_u
            grad_u = _folded(c, nu).T @ by_v
            h = len(u) - 1
            grad_z = torch.cat((_feature_grad(u, cos[:h], sin[:h], grad_u), _feature_grad(v, cos[h:], sin[h:], grad_v)))
        return grad_c, grad_z


def _half_features(cos: Tensor, sin: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Products of (1, cos, sin) over the first and the second half of the qubits, each partial product kept."""
    each = torch.stack((torch.ones_like(cos), cos, sin), 1)
    half = (len(cos) + 1) // 2
    return _products(each[:half], cos), _products(each[half:], cos)


def _products(each: Tensor, like: Tensor) -> list[Tensor]:
    """(h, 3, t) -> [(1, t), (3, t), ..., (3^h, t)]: products over the first 0, 1, ..., h qubits, the last fastest."""
    out = [like.new_ones(1, like.shape[-1])]
    for k, factor in enumerate(each):
        out.append((out[-1].unsqueeze(1) * factor).flatten(0, 1) if k else factor)
    return out


def _folded(c: Tensor, nu: int) -> Tensor:
    """C as a matrix (k * 3^hv, 3^hu): rows are outputs and second-half terms."""
    return c.reshape(c.shape[0], nu, -1).transpose(1, 2).reshape(-1, nu)


def _feature_grad(products: list[Tensor], cos: Tensor, sin: Tensor, grad: Tensor) -> Tensor:
    """Chain rule through the partial products: grad (3^h, t) -> gradient of z (h, t)."""
    out = []
    for q in reversed(range(len(cos))):
        g = grad.reshape(-1, 3, grad.shape[-1])
        turned = torch.addcmul(g[:, 2] * cos[q], g[:, 1], sin[q], value=-1)  # of d(1, cos, sin)/dz
        out.append((turned * products[q]).sum(0) if q else turned[0])
        if q:
            grad = torch.addcmul(torch.addcmul(g[:, 0], g[:, 1], cos[q]), g[:, 2], sin[q])
    return torch.stack(out[::-1]) if out else cos


@cache
def _trig(dtype: torch.dtype, device: torch.device) -> Tensor:
    with torch.inference_mode(False):  # kept beyond the call
        return torch.tensor([[0, 1, 1], [0, 0, -np.pi / 2]], dtype=dtype, device=device).unsqueeze(-1)


def _written_out(z: Tensor) -> Tensor:
    """All products of (1, cos z_i, sin z_i), (3^r, t), in few kernels: 1 is cos(0 z), sin is cos(z - pi/2)."""
    slope, shift = _trig(z.dtype, z.device)
    first, *rest = torch.addcmul(shift, z.unsqueeze(1), slope).cos()
    for f in rest:
        first = (first.unsqueeze(1) * f).flatten(0, 1)
    return first


def evaluate(c: Tensor, z: Tensor) -> Tensor:
    """<Z_k> for many rows: C (k, 3^r) and z (r, t), both of one real dtype -> (k, t).

    Rows lie along the last axis, so that every elementwise step runs over contiguous memory. Keeps only C
    and (cos z, sin z) for the backward (first derivatives; the second is not provided). A few rows without
    gradients, as in writing one token after the other, take a way of few kernels instead.
    """
    needs_grad = torch.is_grad_enabled() and (c.requires_grad or z.requires_grad)
    if not needs_grad and c.shape[-1] * z.shape[-1] <= _FEW:
        return c @ _written_out(z)
    return _Multilinear.apply(c, z)
