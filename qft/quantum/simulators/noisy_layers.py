"""A circuit on a noisy chip as layers: uploads of inputs, then everything that does not depend on the data.

The chip's U3 are cut at the uploads. What lies between is a transfer matrix for each operation (``transfer.py``), the
channel of its noise included.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from qft.quantum.circuit import Circuit, Input, Weight
from qft.quantum.hardware.chip import CZ, Part, to_chip
from qft.quantum.noise import NoiseModel
from qft.quantum.simulators.transfer import Step, X, Y, Z, constant, fixed_transfer, transfer_matrices

PLANES = {"RX": (Y, Z), "RY": (Z, X), "RZ": (X, Y)}  # a rotation turns the first axis towards the second


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
def noisy_layers(circuit: Circuit) -> list[Layer]:
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


def transfer_steps(layers: list[Layer], weights: Tensor, noise: NoiseModel, folds: int = 1) -> list[list[Step]]:
    """Transfer matrices of the layers' fixed operations with the noise of each, all U3 in a few products.

    Every CZ is run ``folds`` times.
    """

    kind = weights.dtype, weights.device
    pulses = [op for layer in layers for op in layer.ops if isinstance(op, Local)]
    table, index = _factors(pulses, weights)
    matrices = table[index[:, 0]]  # (pulses, 4, 4)
    for d in range(1, index.shape[1]):
        matrices = table[index[:, d]] @ matrices
    noisy = torch.tensor([op.noisy for op in pulses], device=weights.device)[:, None, None]
    matrices = torch.where(noisy, constant(noise.transfer(1), *kind) @ matrices, matrices)
    cz = constant(np.linalg.matrix_power(noise.transfer(2) @ fixed_transfer("CZ"), folds), *kind)
    each = iter(matrices.unbind())
    return [
        [(op.qubits, cz) if isinstance(op, CZ) else ((op.qubit,), next(each)) for op in layer.ops] for layer in layers
    ]


def _factors(pulses: list[Local], weights: Tensor) -> tuple[Tensor, Tensor]:
    """Different transfer matrices (n, 4, 4) and, by pulse, which to multiply in order, padded: (pulses, depth)."""
    where: dict[Part | None, int] = {None: 0}
    turns: dict[str, list[Part]] = {}
    eye = torch.eye(4, dtype=weights.dtype, device=weights.device)
    fixed = [eye]
    for part in dict.fromkeys(part for op in pulses for part in op.parts):
        if part.name in PLANES:
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
