"""A plan of matrices, diagonals and uploads, run on a batched state vector and differentiated by adjoints.

Amplitudes are complex (2^r, t), rows last. The backward keeps the inputs and the matrices only: it runs the
circuit again and then backwards, undoing each step (they are unitary), in chunks of rows, so memory does not
grow with depth nor, but for inputs and outputs, with rows.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from qft.quantum.chunks import in_chunks

AT_ONCE = {"cpu": 2**17, "cuda": 2**25}  # amplitudes held at a time: in cache, or enough to fill a GPU

Step = tuple[str, int]  # ("matrix", first qubit), ("diagonal", 0) with an operator each, ("upload", which)


class Plan:
    """What a bound circuit does after its first upload, which the state starts from. Opaque to torch."""

    def __init__(self, steps: tuple[Step, ...], start: int, tensors: "PlanTensors") -> None:
        self.steps, self.start = steps, start  # start: index of the first upload
        self.generators, self.signs = tensors


class PlanTensors(NamedTuple):
    """Constants of a circuit."""

    generators: list[Tensor]  # of each distinct upload, (num_inputs, 2^r): phases exp(-i generator^T z)
    signs: Tensor  # (r, 2^r): +1 where the qubit is 0


def _split_qubits(psi: Tensor, first: int, size: int) -> Tensor:
    """psi (2^r, t) as (2^first, size, the other qubits and t)."""
    out: Tensor = psi.unflatten(0, (2**first, size, -1)).flatten(2)
    return out


def act(matrix: Tensor, first: int, psi: Tensor) -> Tensor:
    """``matrix`` on the qubits from ``first``: psi (2^r, t) -> (2^r, t)."""
    if len(matrix) == len(psi):
        return matrix @ psi
    return (matrix @ _split_qubits(psi, first, len(matrix))).reshape(psi.shape)


def _grad_matrix(matrix: Tensor, first: int, grad: Tensor, conjugate: Tensor) -> Tensor:
    """sum over everything else of grad psi^+, for ``conjugate`` = psi^* before the matrix."""
    if len(matrix) == len(grad):
        return grad @ conjugate.T
    size = len(matrix)
    return (_split_qubits(grad, first, size) @ _split_qubits(conjugate, first, size).mT).sum(0)


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
                psi = act(next(remaining), at, psi)
            case "diagonal":
                psi = next(remaining).unsqueeze(1) * psi
            case _:
                psi = phases[at] * psi
    return psi


def read_out(plan: Plan, z: Tensor, conjugates: list[Tensor]) -> Tensor:
    """<Z> (r, t) for inputs z (num_inputs, t)."""
    parts = torch.view_as_real(_conjugate_state(plan, _phases(plan, z), conjugates))
    return plan.signs @ parts.square().sum(-1)


def _chunks(plan: Plan, *tensors: Tensor) -> list[tuple[Tensor, ...]]:
    return in_chunks(*tensors, numbers=plan.signs.shape[1], at_once=AT_ONCE)


def differentiable_read_out(plan: Plan, z: Tensor, operators: Sequence[Tensor]) -> Tensor:
    """<Z> (r, t) for inputs z (num_inputs, t), with the backward of this file."""
    out: Tensor = _Adjoint.apply(plan, z, *operators)  # type: ignore[no-untyped-call]
    return out


class _Adjoint(torch.autograd.Function):
    """(plan, z, *operators) -> <Z>; keeps z and the operators.

    The backward may be differentiated again. It takes the operators for unitary, which is right for their
    derivatives too: along the weights they stay so.
    """

    @staticmethod
    def forward(ctx: Any, plan: Plan, z: Tensor, *operators: Tensor) -> Tensor:
        ctx.plan = plan
        ctx.save_for_backward(z, *operators)
        conjugates = [o.conj().resolve_conj() for o in operators]
        return torch.cat([read_out(plan, part, conjugates) for (part,) in _chunks(plan, z)], 1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
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
            psi = phases[plan.start] if k == 0 else act(operator.T, at, psi)
            totals[index] += _grad_matrix(operator, at, g, psi)
            g = act(conjugates[index].T, at, g)
        else:
            psi = phases[plan.start] if k == 0 else operator.unsqueeze(1) * psi
            totals[index] += (g * psi).sum(1)
            g = conjugates[index].unsqueeze(1) * g
    turned[plan.start] -= (g * psi).imag
    return sum(generator @ t for generator, t in zip(plan.generators, turned))  # type: ignore[return-value]
