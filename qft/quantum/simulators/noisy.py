"""Expectations of a circuit under noise: exact, for many rows, differentiable.

Unitaries and channels alike are linear on Pauli strings (``transfer.py``). So a noisy circuit that encodes each
input once is still the polynomial of ``multilinear.py``: each observable is carried back through the chip's gates
and their channels once a step, and a row costs what it costs without noise.

A circuit that uploads again is evaluated on the Pauli vector of the state, 4^r numbers a row. Everything between
two layers of uploads is one matrix (4^r, 4^r) up to DENSE_QUBITS, built once a step. Multiplications, L uploads:

    to build           gates 16 4^r 4^r       per row L 16^r       r = L = 4: 260,000 a row
    Fourier series     L 16^r (2L+1)^r        r (2L+1)^r           r = L = 4: 26,000 a row after 1.7 10^9

The series (``fourier.py``) pays beyond the (2L+1)^r rows it is made from, 6,561 here. Training batches do not reach
that; where no gradients are asked for, it takes over once as many rows have been read. Rows go in chunks that are
computed again in the backward, so memory is that of a chunk, its depth, and the inputs.
"""

from collections import Counter
from collections.abc import Callable
from functools import cache, partial
from typing import NamedTuple

import torch
from torch import Tensor

from qft.quantum.autodiff import recomputed
from qft.quantum.circuit import Circuit, Input, Weight
from qft.quantum.hardware.chip import CZ, Part, to_chip
from qft.quantum.noise import NoiseModel
from qft.quantum.simulators import fourier, multilinear
from qft.quantum.simulators.transfer import Step, X, Y, Z, constant, fixed_transfer, pull_back, transfer_matrices

MAX_QUBITS = 6  # of a circuit that uploads again: 4^6 numbers a row; encoding once, multilinear.MAX_QUBITS
DENSE_QUBITS = 4  # above, a dense matrix costs more than its gates
MAX_GRID = 2**16  # angles of a Fourier series: its coefficients, up to 2^r times as many, must stay small
CHUNK = {"cpu": 2**20, "cuda": 2**25}  # numbers held of a layer at a time

_PLANES = {"RX": (Y, Z), "RY": (Z, X), "RZ": (X, Y)}  # a rotation turns the first axis towards the second


class Upload(NamedTuple):
    """A rotation by ``factor`` times an input."""

    qubit: int
    name: str
    input: int
    factor: float


class Local(NamedTuple):
    """Parts of one U3 between uploads; ``noisy`` where the U3 ends with them."""

    qubit: int
    parts: tuple[Part, ...]
    noisy: bool


class Layer(NamedTuple):
    """Uploads on different qubits, then what does not depend on the data."""

    uploads: list[Upload]
    ops: list[Local | CZ]


@cache
def layers(circuit: Circuit) -> list[Layer]:
    """The chip's operations in as few layers as the order on each qubit allows; the first has no uploads."""
    out = [Layer([], [])]
    level = [0] * circuit.qubits

    def add(op: Local | CZ, qubits: tuple[int, ...]) -> None:
        k = max(level[q] for q in qubits)
        for q in qubits:
            level[q] = k
        out[k].ops.append(op)

    for op in to_chip(circuit).ops:
        if isinstance(op, CZ):
            add(op, op.qubits)
            continue
        parts: list[Part] = []
        for part in op.parts:
            if not isinstance(part.angle, Input):
                parts.append(part)
                continue
            if parts:
                add(Local(op.qubit, tuple(parts), False), (op.qubit,))
                parts = []
            level[op.qubit] += 1
            if level[op.qubit] == len(out):
                out.append(Layer([], []))
            out[level[op.qubit]].uploads.append(Upload(op.qubit, part.name, part.angle.index, part.factor))
        add(Local(op.qubit, tuple(parts), True), (op.qubit,))
    return out


def refusal(circuit: Circuit) -> str | None:
    """Why this file cannot evaluate the circuit, as the end of a sentence, or None."""
    if multilinear.is_multilinear(circuit) or circuit.qubits <= MAX_QUBITS:
        return None
    limit, what = (
        (multilinear.MAX_QUBITS, "one upload of each input")
        if len(layers(circuit)) <= 2
        else (MAX_QUBITS, "a circuit that uploads its inputs again")
    )
    return f"{circuit.qubits} qubits, and noise is simulated on at most {limit} for {what}"


def bind(circuit: Circuit, weights: Tensor, noise: NoiseModel, observables: Tensor) -> Callable[[Tensor], Tensor]:
    """Weights (num_weights,) and observables (k, 4, ..., 4), read-out noise included -> inputs to values.

    Inputs (num_inputs, t) and values (k, t) are of the weights' dtype, float32 or float64. Differentiable once in
    weights and inputs. Raises ValueError for a circuit beyond the limits.
    """
    r = circuit.qubits
    if reason := refusal(circuit):
        raise ValueError(reason)
    whole = layers(circuit)
    steps = _steps(whole, weights, noise)
    reading = torch.as_tensor(noise.readout_transfer(), dtype=weights.dtype, device=weights.device)
    observables = pull_back(observables, [((q,), reading) for q in range(r)], r)
    if multilinear.is_multilinear(circuit):
        c = multilinear.on_encoding(pull_back(observables, steps[1], r), r)
        return lambda z: multilinear.evaluate(c, z)

    start = weights.new_zeros((4,) * r)
    start[tuple(slice(None, None, 3) for _ in range(r))] = 1  # <I> and <Z> of |0...0>
    first = _forward(start.reshape(-1, 1), steps[0], r)
    uploads = [layer.uploads for layer in whole[1:]]
    between: list[Callable[[Tensor], Tensor]]
    if r <= DENSE_QUBITS:
        eye = torch.eye(4**r, dtype=weights.dtype, device=weights.device).reshape(4**r, *(4,) * r)
        last = pull_back(observables, steps[-1], r).flatten(1)
        matrices = [*(pull_back(eye, s, r).flatten(1) for s in steps[1:-1]), last]
        between = [partial(torch.matmul, m) for m in matrices]
    else:
        between = [partial(_forward, steps=s, qubits=r) for s in steps[1:]]
        between[-1] = lambda v: observables.flatten(1) @ _forward(v, steps[-1], r)

    def run(z: Tensor) -> Tensor:
        v = first.expand(-1, z.shape[1])
        for upload, after in zip(uploads, between):
            for u in upload:
                v = _turned(v, u, z[u.input] * u.factor)
            v = after(v)
        return v

    degree, seen, series = _degree(whole), 0, None

    def read(z: Tensor) -> Tensor:
        nonlocal seen, series
        rows = max(16, CHUNK.get(z.device.type, CHUNK["cpu"]) // 4**r)
        if not torch.is_grad_enabled():
            seen += z.shape[1]
            points = (2 * degree + 1) ** circuit.num_inputs
            if degree and series is None and points < min(seen, MAX_GRID):
                grid = fourier.grid(circuit.num_inputs, degree, weights)
                values = torch.cat([run(part) for part in grid.split(rows, 1)], 1)
                series = fourier.series(values, circuit.num_inputs, degree)
            return series(z) if series else torch.cat([run(part) for part in z.split(rows, 1)], 1)
        return torch.cat([recomputed(run, part) for part in z.split(rows, 1)], 1)

    return read


def _degree(whole: list[Layer]) -> int:
    """Highest frequency of an input, in steps of 1; 0 where an input turns a CRZ and frequencies are halves."""
    uploads = [u for layer in whole for u in layer.uploads]
    most = max(Counter(u.input for u in uploads).values(), default=0)
    return most if all(u.factor == 1 for u in uploads) else 0


def _forward(v: Tensor, steps: list[Step], qubits: int) -> Tensor:
    """Pauli vectors of states, v (4^r, t), after ``steps``."""
    back = [(on, transfer.mT) for on, transfer in reversed(steps)]
    return pull_back(v.T.reshape(-1, *(4,) * qubits), back, qubits).flatten(1).T


def _turned(v: Tensor, upload: Upload, angles: Tensor) -> Tensor:
    """Pauli vectors v (4^r, t) after a rotation of one qubit by ``angles`` (t,)."""
    apart = list(v.unflatten(0, (4**upload.qubit, 4, -1)).unbind(1))
    a, b = _PLANES[upload.name]
    cos, sin = angles.cos(), angles.sin()
    apart[a], apart[b] = cos * apart[a] - sin * apart[b], sin * apart[a] + cos * apart[b]
    return torch.stack(apart, 1).flatten(0, 2)


def _steps(whole: list[Layer], weights: Tensor, noise: NoiseModel) -> list[list[Step]]:
    """Transfer matrices of the layers' fixed operations with the noise of each, all U3 in a few products."""

    kind = weights.dtype, weights.device
    pulses = [op for layer in whole for op in layer.ops if isinstance(op, Local)]
    table, index = _factors(pulses, weights)
    matrices = table[index[:, 0]]  # (pulses, 4, 4)
    for d in range(1, index.shape[1]):
        matrices = table[index[:, d]] @ matrices
    noisy = torch.tensor([op.noisy for op in pulses], device=weights.device)[:, None, None]
    matrices = torch.where(noisy, constant(noise.transfer(1), *kind) @ matrices, matrices)
    cz = constant(noise.transfer(2) @ fixed_transfer("CZ"), *kind)
    each = iter(matrices.unbind())
    return [
        [(op.qubits, cz) if isinstance(op, CZ) else ((op.qubit,), next(each)) for op in layer.ops] for layer in whole
    ]


def _factors(pulses: list[Local], weights: Tensor) -> tuple[Tensor, Tensor]:
    """Different transfer matrices (n, 4, 4) and, by pulse, which to multiply in order, padded: (pulses, depth)."""
    where: dict[Part | None, int] = {None: 0}
    turns: dict[str, list[Part]] = {}
    eye = torch.eye(4, dtype=weights.dtype, device=weights.device)
    fixed = [eye]
    for part in dict.fromkeys(part for op in pulses for part in op.parts):
        if part.name in _PLANES:
            turns.setdefault(part.name, []).append(part)
        else:
            where[part] = len(where)
            fixed.append(constant(fixed_transfer(part.name), eye.dtype, eye.device))
    tables = [torch.stack(fixed)]
    for name, parts in turns.items():
        numbers = weights.new_tensor([p.angle for p in parts if not isinstance(p.angle, Weight)])
        free = iter(range(len(weights), len(weights) + len(numbers)))
        at = [p.angle.index if isinstance(p.angle, Weight) else next(free) for p in parts]
        angles = torch.cat((weights, numbers))[torch.tensor(at, device=weights.device)]
        where |= {part: len(where) + k for k, part in enumerate(parts)}
        tables.append(transfer_matrices(name, angles * weights.new_tensor([p.factor for p in parts])))
    depth = max((len(op.parts) for op in pulses), default=0) or 1
    index = [[where[p] for p in op.parts] + [0] * (depth - len(op.parts)) for op in pulses]
    return torch.cat(tables), torch.tensor(index, dtype=torch.long, device=weights.device).reshape(-1, depth)
