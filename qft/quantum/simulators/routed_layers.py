"""A circuit on a real chip (``routing.py``) under its noise, as the layers that ``noisy.py`` evaluates.

Everything that depends on no angle, noise and waiting included, is multiplied out once for a circuit and a chip: what
is left for each step are RZ by weights, matrices between them, and a matrix for each gate on two qubits.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from qft.quantum.autodiff import cached_constant
from qft.quantum.chip_noise import ChipNoise
from qft.quantum.circuit import Circuit, Input, Weight
from qft.quantum.reference import PAULIS
from qft.quantum.routing import Routed, RoutedOp, route
from qft.quantum.simulators.noisy_layers import Layer, Upload
from qft.quantum.simulators.transfer import Step, constant, pull_back, transfer_matrices, unitary_transfer

_S = np.array([[1 + 1j, 1 - 1j], [1 - 1j, 1 + 1j]]) / 2
_UNITARIES = {
    "sx": _S,
    "x": PAULIS[1],
    "cz": np.diag([1, 1, 1, -1]).astype(complex),
    "cx": np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]], dtype=complex),
    # (ZX(pi/4), X on the first qubit, ZX(-pi/4)), first qubit first: (X I - Y X) / sqrt 2
    "ecr": (np.kron(PAULIS[1], PAULIS[0]) - np.kron(PAULIS[2], PAULIS[1])) / np.sqrt(2),
}


@dataclass(frozen=True)
class Turn:
    """RZ by the sum of factor times weight over ``terms``."""

    terms: tuple[tuple[int, float], ...]


@dataclass(eq=False)
class Fused:
    """Matrices and turns of one qubit in the order applied, or one matrix (16, 16) of two qubits."""

    qubits: tuple[int, ...]
    parts: list[np.ndarray | Turn] = field(default_factory=list)


class RoutedLayers(NamedTuple):
    """Uploads of inputs, and what lies between, on the qubits that take part."""

    routed: Routed
    layers: list[Layer]  # uploads only
    fused: list[list[Fused]]  # after the uploads of each layer


@cache
def routed_layers(circuit: Circuit, noise: ChipNoise, folds: int = 1) -> RoutedLayers:
    """The routed circuit in as few layers as the order on each qubit allows; the first has no uploads.

    Every gate on two qubits is run ``folds`` times.

    Raises as ``route``.
    """
    routed = route(circuit, noise.chip, noise.seed, noise.level, folds)
    out = RoutedLayers(routed, [Layer([], [])], [[]])
    n = len(routed.physical)
    level = [0] * n
    last: list[Fused | None] = [None] * n  # of each qubit, in its level

    def alone(q: int) -> Fused:
        """What a gate on one qubit is added to: what came last, on two qubits too."""
        if (op := last[q]) is None:
            op = last[q] = Fused((q,))
            out.fused[level[q]].append(op)
        return op

    for op in routed.ops:
        if op.name == "rz":
            q = op.places[0]
            turns = tuple((a.index, f) for a, f in op.terms if isinstance(a, Weight))
            if op.constant:
                _add(alone(q), q, _rz(op.constant))
            if turns:
                if (before := last[q]) is not None and len(before.qubits) == 2:
                    last[q] = None
                alone(q).parts.append(Turn(turns))
            for upload in _uploads(op, q):
                level[q] += 1
                last[q] = None
                if level[q] == len(out.layers):
                    out.layers.append(Layer([], []))
                    out.fused.append([])
                out.layers[level[q]].uploads.append(upload)
            continue
        matrix = _matrix(op, routed, noise)
        if len(op.places) == 1:
            _add(alone(op.places[0]), op.places[0], matrix)
            continue
        k = max(level[q] for q in op.places)
        tails = [_tail(last[q]) if level[q] == k else np.eye(4) for q in op.places]
        both = Fused(op.places, [matrix @ np.kron(*tails)])
        out.fused[k].append(both)
        for q in op.places:
            level[q], last[q] = k, both
    fused = [[op for op in ops if op.parts] for ops in out.fused]
    return out._replace(fused=fused)


def _uploads(op: RoutedOp, q: int) -> Iterator[Upload]:
    return (Upload(q, "RZ", a.index, f) for a, f in op.terms if isinstance(a, Input))


def _add(op: Fused, qubit: int, matrix: np.ndarray) -> None:
    """Apply a matrix (4, 4) of one of its qubits after what ``op`` does."""
    if len(op.qubits) == 2:
        wide = np.kron(matrix, np.eye(4)) if qubit == op.qubits[0] else np.kron(np.eye(4), matrix)
        op.parts = [wide @ op.parts[0]]
    elif op.parts and not isinstance(op.parts[-1], Turn):
        op.parts[-1] = matrix @ op.parts[-1]
    else:
        op.parts.append(matrix)


def _tail(op: Fused | None) -> np.ndarray:
    """Takes the last matrix (4, 4) of one qubit away, to be applied by what comes next."""
    if op is None or len(op.qubits) == 2 or not op.parts or isinstance(op.parts[-1], Turn):
        return np.eye(4)
    matrix: np.ndarray = op.parts.pop()  # type: ignore[assignment]
    return matrix


def _matrix(op: RoutedOp, routed: Routed, noise: ChipNoise) -> np.ndarray:
    on = tuple(routed.physical[p] for p in op.places)
    if op.name == "delay":
        return noise.relaxation(on[0], op.time)
    return np.asarray(noise.after(op.name, on) @ unitary_transfer(_UNITARIES[op.name]))


def _rz(angle: float) -> np.ndarray:
    return np.asarray(transfer_matrices("RZ", torch.tensor(angle, dtype=torch.float64)))


class _Plan(NamedTuple):
    """What of the steps does not depend on the weights."""

    turns: Tensor  # (turns, weights): of each RZ, the factors of the weights
    fixed: Tensor  # (m, 4, 4), the identity first
    order: Tensor  # (pulses, depth): of each pulse, which of (fixed, turns) to multiply in order
    steps: list[list[tuple[tuple[int, ...], Tensor | int]]]  # by layer: qubits; a matrix, or the number of a pulse


@cached_constant
def _plan(circuit: Circuit, noise: ChipNoise, folds: int, dtype: torch.dtype, device: torch.device) -> _Plan:
    fixed: list[np.ndarray] = [np.eye(4)]
    turns: list[Turn] = []
    pulses: list[list[tuple[bool, int]]] = []
    steps: list[list[tuple[tuple[int, ...], Tensor | int]]] = []
    for ops in routed_layers(circuit, noise, folds).fused:
        steps.append([])
        for op in ops:
            if len(op.parts) == 1 and not isinstance(op.parts[0], Turn):
                steps[-1].append((op.qubits, constant(op.parts[0].tolist(), dtype, device)))
                continue
            steps[-1].append((op.qubits, len(pulses)))
            pulses.append([])
            for part in op.parts:
                if isinstance(part, Turn):
                    pulses[-1].append((True, len(turns)))
                    turns.append(part)
                else:
                    pulses[-1].append((False, len(fixed)))
                    fixed.append(part)
    depth = max(map(len, pulses), default=1)
    order = [[n + len(fixed) * is_turn for is_turn, n in p] + [0] * (depth - len(p)) for p in pulses]
    factors = np.zeros((len(turns), circuit.num_weights))
    for row, turn in zip(factors, turns, strict=True):
        for weight, factor in turn.terms:
            row[weight] += factor
    return _Plan(
        constant(factors.tolist(), dtype, device).reshape(factors.shape),
        constant(np.array(fixed).tolist(), dtype, device),
        constant(order, torch.long, device).reshape(-1, depth),
        steps,
    )


def steps(circuit: Circuit, weights: Tensor, noise: ChipNoise, folds: int) -> list[list[Step]]:
    """Transfer matrices of what lies between the uploads, layer by layer, all pulses in a few products."""
    plan = _plan(circuit, noise, folds, weights.dtype, weights.device)
    table = torch.cat((plan.fixed, transfer_matrices("RZ", plan.turns @ weights)))
    matrices = table[plan.order[:, 0]]
    for d in range(1, plan.order.shape[1]):
        matrices = table[plan.order[:, d]] @ matrices
    pulses = matrices.unbind()
    return [[(on, of if isinstance(of, Tensor) else pulses[of]) for on, of in layer] for layer in plan.steps]


def placed(observables: Tensor, routed: Routed, noise: ChipNoise) -> Tensor:
    """Observables (k, 4, ..., 4) of the circuit's qubits on those that take part, as they are read."""
    r, n = len(routed.measured), len(routed.physical)
    kind = observables.dtype, observables.device
    readings = [noise.readout_transfer(routed.physical[place]) for place in routed.measured]
    o = pull_back(observables, [((q,), constant(m.tolist(), *kind)) for q, m in enumerate(readings)], r)
    out = o.new_zeros(len(o), *(4,) * n)
    where = tuple(slice(None) if place in routed.measured else 0 for place in range(n))
    out[(slice(None), *where)] = o.permute(0, *(1 + q for q in sorted(range(r), key=routed.measured.__getitem__)))
    return out


def encodes_once(circuit: Circuit, found: RoutedLayers) -> bool:
    """Whether each input turns one qubit, once, before any gate on two qubits."""
    if len(found.layers) != 2 or any(len(op.qubits) == 2 for op in found.fused[0]):
        return False
    uploads = found.layers[1].uploads
    return [u.input for u in sorted(uploads, key=lambda u: u.input)] == list(range(circuit.num_inputs)) and all(
        u.factor == 1 for u in uploads
    )


def coefficients(found: RoutedLayers, steps: list[list[Step]], observables: Tensor) -> Tensor:
    """Observables (k, 4, ..., 4) on the qubits that take part as polynomials of the inputs (``multilinear.py``).

    For a circuit that ``encodes_once``. Returns (k, 3^inputs), input 0 slowest.
    """
    n = len(found.routed.physical)
    o = pull_back(observables, steps[1], n)
    state = constant([1.0, 0.0, 0.0, 1.0], o.dtype, o.device)
    input_of = {u.qubit: u.input for u in found.layers[1].uploads}
    none = state.new_zeros(())
    for q in range(n):
        v = state
        for (on,), matrix in steps[0]:
            v = matrix @ v if on == q else v
        if q in input_of:
            one, x, y, z = v.unbind()
            rows = (one, none, none), (none, x, -y), (none, y, x), (z, none, none)  # of 1, cos, sin
            v = torch.stack([torch.stack(row) for row in rows])
        o = torch.tensordot(o, v, ([1], [0]))
    order = [input_of[q] for q in sorted(input_of)]
    return o.permute(0, *(1 + order.index(i) for i in range(len(order)))).flatten(1)
