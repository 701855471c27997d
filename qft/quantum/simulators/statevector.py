"""<Z> of circuits that upload their inputs several times: a batched state vector, differentiated by adjoints.

Three exact ways to evaluate L uploads on r qubits, with multiplications per row and read-out of all qubits:

    Fourier grid      r (2L+1)^r             26,000 at r = L = 4,  10^14 at r = L = 10
    Pauli vector      L 16^r                260,000                10^13
    state vector      4 L 4^r (dense)         4,000                4 10^7; 5 10^6 layer by layer

So the state vector, except for one upload, where the grid is the polynomial of ``multilinear.py``. By
``layers.py`` a circuit is fixed matrices with phases exp(-i z lambda) between them. Up to DENSE_QUBITS all
fixed gates between two uploads are one matrix (2^r, 2^r), built once a step; above, local layers act on
groups of GROUP qubits and diagonals stay diagonals.

Amplitudes are complex (2^r, t), rows last. The backward keeps the inputs and the matrices only: it runs the
circuit again and then backwards, undoing each step (they are unitary), in chunks of rows, so memory does not
grow with depth nor, but for inputs and outputs, with rows.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from qft.quantum.autodiff import followed, kept
from qft.quantum.circuit import Circuit
from qft.quantum.simulators.gate_matrices import diagonals, local_matrices
from qft.quantum.simulators.layers import layers
from qft.quantum.simulators.transfer import constant

MAX_QUBITS = 10
DENSE_QUBITS = 6  # above, a dense matrix costs more than its layers
GROUP = 4  # qubits a matrix acts on when layers are applied one by one
CHUNK = {"cpu": 2**17, "cuda": 2**25}  # amplitudes held at a time: in cache, or enough to fill a GPU

Step = tuple[str, int]  # ("matrix", first qubit), ("diagonal", 0) with an operator each, ("upload", which)


class Plan:
    """What a bound circuit does after its first upload, which the state starts from. Opaque to torch."""

    def __init__(self, steps: tuple[Step, ...], start: int, tensors: "_Tensors") -> None:
        self.steps, self.start = steps, start  # start: index of the first upload
        self.generators, self.signs = tensors


class _Tensors(NamedTuple):
    """Constants of a circuit."""

    generators: list[Tensor]  # of each distinct upload, (num_inputs, 2^r): phases exp(-i generator^T z)
    signs: Tensor  # (r, 2^r): +1 where the qubit is 0


@cache
def _uploads(circuit: Circuit) -> tuple[list[int | None], list[np.ndarray]]:
    """Which upload ends each layer (None: none), and the distinct uploads as generators (num_inputs, 2^r)."""
    which: list[int | None] = []
    distinct: list[np.ndarray] = []
    for layer in layers(circuit):
        generator = np.zeros((circuit.num_inputs, 2**circuit.qubits))
        for index, term in layer.upload:
            generator[index] += term
        if not layer.upload:
            which.append(None)
            continue
        same = [k for k, g in enumerate(distinct) if np.array_equal(g, generator)]
        which.append(same[0] if same else len(distinct))
        if not same:
            distinct.append(generator)
    return which, distinct


@kept
def _upload_of_layer(circuit: Circuit) -> list[int | None]:
    """Of ``_uploads`` the first. Raises ValueError for a circuit this file cannot evaluate."""
    if circuit.qubits > MAX_QUBITS:
        raise ValueError(f"{circuit.qubits} qubits; the state vector is for at most {MAX_QUBITS}")
    if not circuit.num_inputs:
        raise ValueError("the circuit has no input")
    return _uploads(circuit)[0]


@kept
def _tensors(circuit: Circuit, dtype: torch.dtype, device: torch.device) -> _Tensors:
    bits = (np.arange(2**circuit.qubits) >> np.arange(circuit.qubits)[::-1, None]) & 1
    generators = [constant(g, dtype, device) for g in _uploads(circuit)[1]]
    return _Tensors(generators, constant(1.0 - 2 * bits, dtype, device))


def bind(circuit: Circuit, weights: Tensor) -> Callable[[Tensor], Tensor]:
    """Weights (num_weights,), float32 or float64 -> a function of inputs (num_inputs, t) giving <Z> (r, t).

    Differentiable in weights and inputs, any number of times. Raises ValueError beyond MAX_QUBITS or without any
    input.
    """
    which = _upload_of_layer(circuit)
    steps, operators = _steps(circuit, weights, which)
    start = next(u for u in which if u is not None)
    plan = Plan(tuple(steps), start, _tensors(circuit, weights.dtype, weights.device))

    def read(z: Tensor) -> Tensor:
        if followed(z, weights):
            return _read(plan, z, [o.conj() for o in operators])
        return _Adjoint.apply(plan, z, *operators)

    return read


def _steps(circuit: Circuit, weights: Tensor, which: list[int | None]) -> tuple[list[Step], list[Tensor]]:
    """Steps after the first upload and their operators; the fixed gates before it are folded into the first."""
    r = circuit.qubits
    dense = r <= DENSE_QUBITS
    groups = [(0, r)] if dense else [(q, min(q + GROUP, r)) for q in range(0, r, GROUP)]
    matrices = [local_matrices(circuit, weights, first, last) for first, last in groups]
    phases = diagonals(circuit, weights)
    steps: list[Step] = []
    operators: list[Tensor] = []
    # the state before the first upload: |0...0> under the fixed gates
    start: Tensor | None = torch.eye(2**r, 1, dtype=matrices[0].dtype, device=weights.device)
    product: Tensor | None = None
    for k, upload in enumerate(which):
        local = [(first, m[k]) for (first, _), m in zip(groups, matrices)]
        phase = phases.get(k)
        if start is not None:
            for first, matrix in local:
                start = _on(matrix, first, start)
            start = start if phase is None else phase.unsqueeze(1) * start
            if upload is not None:  # the state is now phases times start, and start a diagonal step
                steps, operators, start = [("diagonal", 0)], [start.squeeze(1)], None
            continue
        if dense:
            product = local[0][1] if product is None else local[0][1] @ product
            product = product if phase is None else phase.unsqueeze(1) * product
            if upload is not None or k == len(which) - 1:
                if len(steps) == 1:  # fold the start into the first matrix
                    steps, operators, product = [], [], product * operators[0]
                steps, operators, product = [*steps, ("matrix", 0)], [*operators, product], None
        else:
            steps += [("matrix", first) for first, _ in local]
            operators += [matrix for _, matrix in local]
            if phase is not None:
                steps, operators = [*steps, ("diagonal", 0)], [*operators, phase]
        if upload is not None:
            steps.append(("upload", upload))
    return steps, operators


def _apart(psi: Tensor, first: int, size: int) -> Tensor:
    """psi (2^r, t) as (2^first, size, the other qubits and t)."""
    return psi.unflatten(0, (2**first, size, -1)).flatten(2)


def _on(matrix: Tensor, first: int, psi: Tensor) -> Tensor:
    """``matrix`` on the qubits from ``first``: psi (2^r, t) -> (2^r, t)."""
    if len(matrix) == len(psi):
        return matrix @ psi
    return (matrix @ _apart(psi, first, len(matrix))).reshape(psi.shape)


def _grad_matrix(matrix: Tensor, first: int, grad: Tensor, conjugate: Tensor) -> Tensor:
    """sum over everything else of grad psi^+, for ``conjugate`` = psi^* before the matrix."""
    if len(matrix) == len(grad):
        return grad @ conjugate.T
    size = len(matrix)
    return (_apart(grad, first, size) @ _apart(conjugate, first, size).mT).sum(0)


def _phases(plan: Plan, z: Tensor) -> list[Tensor]:
    """exp(+i generator^T z), the conjugated uploads: complex (2^r, t)."""
    angles = [generator.T @ z for generator in plan.generators]
    return [torch.complex(a.cos(), a.sin()) for a in angles]


def _conjugate_state(plan: Plan, phases: list[Tensor], conjugates: list[Tensor]) -> Tensor:
    """Complex conjugate of the final state."""
    psi, remaining = phases[plan.start], iter(conjugates)
    for kind, at in plan.steps:
        match kind:
            case "matrix":
                psi = _on(next(remaining), at, psi)
            case "diagonal":
                psi = next(remaining).unsqueeze(1) * psi
            case _:
                psi = phases[at] * psi
    return psi


def _read(plan: Plan, z: Tensor, conjugates: list[Tensor]) -> Tensor:
    """<Z> (r, t) for inputs z (num_inputs, t)."""
    parts = torch.view_as_real(_conjugate_state(plan, _phases(plan, z), conjugates))
    return plan.signs @ parts.square().sum(-1)


def _chunks(plan: Plan, *tensors: Tensor) -> list[tuple[Tensor, ...]]:
    z = tensors[0]
    rows = max(16, CHUNK.get(z.device.type, CHUNK["cpu"]) // plan.signs.shape[1])
    return list(zip(*(t.split(rows, 1) for t in tensors)))


class _Adjoint(torch.autograd.Function):
    """(plan, z, *operators) -> <Z>; keeps z and the operators.

    The backward may be differentiated again. It takes the operators for unitary, which is right for their
    derivatives too: along the weights they stay so.
    """

    @staticmethod
    def forward(ctx, plan: Plan, z: Tensor, *operators: Tensor) -> Tensor:  # type: ignore[override]
        ctx.plan = plan
        ctx.save_for_backward(z, *operators)
        conjugates = [o.conj().resolve_conj() for o in operators]
        return torch.cat([_read(plan, part, conjugates) for (part,) in _chunks(plan, z)], 1)

    @staticmethod
    def backward(ctx, grad: Tensor):  # type: ignore[override]
        plan = ctx.plan
        z, *operators = ctx.saved_tensors
        conjugates = [o.conj().resolve_conj() for o in operators]
        totals = [torch.zeros_like(o) for o in operators]
        grad_z = [_chunk_backward(plan, operators, conjugates, totals, *part) for part in _chunks(plan, z, grad)]
        return None, torch.cat(grad_z, 1), *totals


def _chunk_backward(
    plan: Plan, operators: list[Tensor], conjugates: list[Tensor], totals: list[Tensor], z: Tensor, upstream: Tensor
) -> Tensor:
    """Gradient of z (num_inputs, t); those of the operators are added to ``totals``.

    Walks back with psi^* and g = dL/dRe psi + i dL/dIm psi. A matrix U has dL/dU = g psi_before^+, and a
    phase exp(-i angle) has dL/d angle = -Im(g psi^*) = -Im(g_before psi_before^*).
    """
    phases = _phases(plan, z)
    psi = _conjugate_state(plan, phases, conjugates)  # psi^*, everywhere below
    g = 2 * (plan.signs.T @ upstream) * psi.conj()
    turned = [torch.zeros_like(g.real) for _ in plan.generators]
    index = len(operators)
    for k, (kind, at) in reversed(list(enumerate(plan.steps))):
        if kind == "upload":
            turned[at] -= (g * psi).imag
            back = phases[at]
            g = back * g
            psi = back.conj() * psi
            continue
        index -= 1
        operator = operators[index]
        if kind == "matrix":
            # the first step holds the start and is not unitary, but what it acted on is known
            psi = phases[plan.start] if k == 0 else _on(operator.T, at, psi)
            totals[index] += _grad_matrix(operator, at, g, psi)
            g = _on(conjugates[index].T, at, g)
        else:
            psi = phases[plan.start] if k == 0 else operator.unsqueeze(1) * psi
            totals[index] += (g * psi).sum(1)
            g = conjugates[index].unsqueeze(1) * g
    turned[plan.start] -= (g * psi).imag
    return sum(generator @ t for generator, t in zip(plan.generators, turned))  # type: ignore[return-value]
