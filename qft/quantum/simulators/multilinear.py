"""The response polynomial: a circuit that encodes each input once is a small trigonometric polynomial of its inputs.

With one RY(z_i) on each qubit before everything else, the Bloch vector of qubit i is
(sin z_i, 0, cos z_i), so every read-out is multilinear:

    <Z_k>(z) = sum over p in {1, cos, sin}^r of C[k, p] * prod_i p_i(z_i)

C depends on the trainable angles alone. It is the Pauli expansion of Z_k carried back through the gates
(Heisenberg picture), built once a step; each row of inputs then costs two small matrix products.
Exact, differentiable in weights and inputs. Cost: 4^r per gate to build, r * 3^r per row to evaluate.
"""

from functools import cache
from math import pi
from typing import Any, NamedTuple

import torch
from torch import Tensor

from qft.quantum.autodiff import cached_constant, is_traced
from qft.quantum.circuit import Circuit, Gate, Input, Weight
from qft.quantum.simulators.transfer import (
    ID,
    X,
    Z,
    constant,
    fixed_transfer,
    pull_back,
    transfer_matrices,
    z_observables,
)

_FEW = 1 << 16  # terms times rows up to which all terms are simply written out
MAX_QUBITS = 8  # 4^8 Pauli terms per observable; beyond this a state vector is the better tool


@cache
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


@cached_constant
def is_multilinear(circuit: Circuit) -> bool:
    """Whether this file can evaluate the circuit: one leading RY(z_q) a qubit, at most MAX_QUBITS of them."""
    try:
        split_encoding(circuit)
    except ValueError:
        return False
    return True


def coefficients(circuit: Circuit, weights: Tensor) -> Tensor:
    """C of the module docstring, differentiable.

    Args:
        circuit: One that ``is_multilinear``.
        weights: (..., num_weights), float32 or float64, in radians; leading axes are a batch of weights.

    Returns:
        (..., r, 3^r), in the weights' dtype; the last axis runs over (1, cos, sin)^r with qubit 0 slowest.

    Raises:
        ValueError: The circuit is not multilinear in its inputs, or has more than MAX_QUBITS qubits.
    """
    plan = _plan(circuit, weights.dtype, weights.device)
    tables = [transfer_matrices(name, weights[..., index]) for name, index in plan.rotations]
    steps = [(on, of if isinstance(of, Tensor) else tables[of[0]][..., of[1], :, :]) for on, of in plan.steps]
    observables = z_observables(circuit.qubits, weights)
    o = observables.expand(*weights.shape[:-1], *observables.shape)
    return on_encoding(pull_back(o, steps, circuit.qubits), circuit.qubits)


class _Plan(NamedTuple):
    """What of a circuit's coefficients does not depend on its weights."""

    rotations: list[tuple[str, Tensor]]  # every kind of gate and the weights of its gates: one product a kind
    steps: list[tuple[tuple[int, ...], Tensor | tuple[int, int]]]  # qubits; a matrix, or the kind and which of it


@cached_constant
def _plan(circuit: Circuit, dtype: torch.dtype, device: torch.device) -> _Plan:
    gates = split_encoding(circuit)
    weighted = [g for g in gates if isinstance(g.angle, Weight)]
    names = list(dict.fromkeys(g.name for g in weighted))
    of_kind = {name: [g.angle.index for g in weighted if g.name == name] for name in names}  # type: ignore[union-attr]
    met = dict.fromkeys(names, 0)
    steps: list[tuple[tuple[int, ...], Tensor | tuple[int, int]]] = []
    for gate in gates:
        if isinstance(gate.angle, Weight):
            steps.append((gate.qubits, (names.index(gate.name), met[gate.name])))
            met[gate.name] += 1
        elif isinstance(gate.angle, float):
            matrix = transfer_matrices(gate.name, torch.tensor(gate.angle, dtype=torch.float64))
            steps.append((gate.qubits, constant(matrix.tolist(), dtype, device)))
        else:
            steps.append((gate.qubits, constant(fixed_transfer(gate.name), dtype, device)))
    return _Plan([(name, constant(of_kind[name], torch.long, device)) for name in names], steps)


def on_encoding(o: Tensor, qubits: int) -> Tensor:
    """Observables (..., k, 4, ..., 4) right after the encoding as polynomials of its angles: (..., k, 3^r)."""
    return o.flatten(-qubits).index_select(-1, _encoding_places(qubits, o.device))


@cached_constant
def _encoding_places(qubits: int, device: torch.device) -> Tensor:
    """Places of the strings of I, Z, X in all strings: of an encoded qubit they are 1, cos z, sin z; <Y> is 0."""
    places = [0]
    for _ in range(qubits):
        places = [4 * place + pauli for place in places for pauli in (ID, Z, X)]
    return constant(places, torch.long, device)


class _Multilinear(torch.autograd.Function):
    """evaluate() with a backward that keeps C, z, its cosines and sines, and rebuilds their products.

    The backward is ordinary operations on what came in, so it can be differentiated again.
    """

    @staticmethod
    def forward(ctx: Any, c: Tensor, z: Tensor) -> Tensor:
        few = c.shape[-1] * z.shape[-1] <= _FEW  # by shape alone: with gradients and without, the bits are the same
        if any(ctx.needs_input_grad) or not few:
            cos, sin = z.cos(), z.sin()
            ctx.save_for_backward(c, z, cos, sin)
        if few:
            return c @ _written_out(z)
        mid, last = _by_halves(c, cos, sin)
        return mid.mul_(last).sum(1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        c, z, cos, sin = ctx.saved_tensors
        if torch.is_grad_enabled():  # to be differentiated again, in z
            cos, sin = z.cos(), z.sin()
        u, v = _half_features(cos, sin)
        k, nu, nv = grad.shape[0], u[-1].shape[0], v[-1].shape[0]
        grad_c = grad_z = None
        by_v = (grad.unsqueeze(1) * v[-1]).flatten(0, 1)  # (k nv, t)
        if ctx.needs_input_grad[0]:
            grad_c = (u[-1] @ by_v.T).reshape(nu, k, nv).transpose(0, 1).reshape(c.shape)
        if ctx.needs_input_grad[1]:
            by_u = (grad.unsqueeze(1) * u[-1]).flatten(0, 1)  # (k nu, t)
            grad_v = c.reshape(-1, nv).T @ by_u
            grad_u = _folded(c, nu).T @ by_v
            h = len(u) - 1
            grad_z = torch.cat((_feature_grad(u, cos[:h], sin[:h], grad_u), _feature_grad(v, cos[h:], sin[h:], grad_v)))
        return grad_c, grad_z


def _by_halves(c: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
    """C times the products over the first half of the qubits, (k, 3^hv, t), and those over the second, (3^hv, t)."""
    u, v = _half_features(cos, sin)
    return (_folded(c, u[-1].shape[0]) @ u[-1]).unflatten(0, (c.shape[0], -1)), v[-1]


def _half_features(cos: Tensor, sin: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Products of (1, cos, sin) over the first and the second half of the qubits, with every partial product."""
    each = torch.stack((torch.ones_like(cos), cos, sin), 1)
    half = (len(cos) + 1) // 2
    return _products(each[:half]), _products(each[half:])


def _products(each: Tensor) -> list[Tensor]:
    """(h, 3, t) -> [(1, t), (3, t), ..., (3^h, t)]: products over the first 0, 1, ..., h qubits, the last fastest."""
    out = [each.new_ones(1, each.shape[-1])]
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
        g = grad.unflatten(0, (-1, 3))
        turned = torch.addcmul(g[:, 2] * cos[q], g[:, 1], sin[q], value=-1)  # of d(1, cos, sin)/dz
        out.append((turned * products[q]).sum(0) if q else turned[0])
        if q:
            grad = torch.addcmul(torch.addcmul(g[:, 0], g[:, 1], cos[q]), g[:, 2], sin[q])
    return torch.stack(out[::-1]) if out else cos


@cached_constant
def _trig(dtype: torch.dtype, device: torch.device) -> Tensor:
    return constant([[[0], [1], [1]], [[0], [0], [-pi / 2]]], dtype, device)


def _written_out(z: Tensor) -> Tensor:
    """All products of (1, cos z_i, sin z_i), (3^r, t), in few kernels: 1 is cos(0 z), sin is cos(z - pi/2)."""
    slope, shift = _trig(z.dtype, z.device)
    each: Tensor = torch.addcmul(shift, z.unsqueeze(1), slope).cos()
    out, *rest = each.unbind()
    for f in rest:
        out = (out.unsqueeze(1) * f).flatten(0, 1)
    return out


def evaluate(c: Tensor, z: Tensor) -> Tensor:
    """<Z_k> for many rows, differentiable any number of times.

    Rows lie along the last axis, so that every elementwise step runs over contiguous memory. The backward stores
    only C and (z, cos z, sin z). A few rows, as in generating one token after the other, take few kernels.

    Args:
        c: (k, 3^r), from ``coefficients``.
        z: (r, t), of the same real dtype, in radians.

    Returns:
        (k, t), in the same dtype.
    """
    if not torch.is_grad_enabled() and c.shape[-1] * z.shape[-1] <= _FEW:
        return c @ _written_out(z)  # what the Function below does, without its call
    if is_traced(c, z):
        mid, last = _by_halves(c, z.cos(), z.sin())
        return (mid * last).sum(1)
    out: Tensor = _Multilinear.apply(c, z)  # type: ignore[no-untyped-call]
    return out
