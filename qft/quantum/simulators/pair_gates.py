"""<Z> after gates on pairs of qubits, of a state that starts from given amplitudes; differentiated by adjoints.

    psi = U_P ... U_2 U_1 u,    U_p a (4, 4) unitary on the qubits of pair p;    <Z_k> = sum_b |psi_b|^2 (-1)^(b_k)

Neighbouring gates are fused to matrices on at most GROUP qubits, once a step: gates on other qubits commute and may
change places. Amplitudes are (2^n, t), rows last, and stay in the order of qubits that the last matrix left them in.
The backward keeps the amplitudes and the matrices only; it runs the gates again and then backwards, undoing each, in
chunks of rows: memory grows neither with the number of gates nor, but for input and output, with rows. No matrix of
2^n x 2^n is formed where n is above GROUP.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from qft.quantum.autodiff import cached_constant, is_traced
from qft.quantum.chunks import in_chunks
from qft.quantum.simulators.transfer import constant

GROUP = 5  # qubits of a fused matrix; on one CPU core twice as fast as gates one by one
AT_ONCE = {"cpu": 2**17, "cuda": 2**25}  # amplitudes held at a time: in cache, or enough to fill a GPU

Pairs = tuple[tuple[int, int], ...]


class Group(NamedTuple):
    """Gates that are one matrix: its qubits, ascending; the gates' places in the circuit; axes to move before it."""

    qubits: tuple[int, ...]
    gates: tuple[int, ...]
    axes: tuple[int, ...]


class Plan(NamedTuple):
    """A circuit of pairs (first qubit, second) on n qubits, grouped; the order of the qubits at its end."""

    qubits: int
    groups: tuple[Group, ...]
    order: tuple[int, ...]


@cache
def plan(qubits: int, pairs: Pairs) -> Plan:
    """Group the gates on these pairs, applied in this order. Raises ValueError for a pair that is not ascending."""
    if any(not 0 <= a < b < qubits for a, b in pairs):
        raise ValueError(f"pairs should be two qubits of {qubits} each, ascending")
    left, groups, order = list(enumerate(pairs)), [], list(range(qubits))
    while left:
        taken: list[int] = []
        wires: set[int] = set()
        blocked: set[int] = set()  # qubits of a gate that stays behind: what comes later on them must too
        rest = []
        for place, pair in left:
            if blocked.isdisjoint(pair) and len(wires | set(pair)) <= GROUP:
                wires |= set(pair)
                taken.append(place)
            else:
                blocked |= set(pair)
                rest.append((place, pair))
        first = sorted(wires)
        after = first + [q for q in order if q not in wires]
        groups.append(Group(tuple(first), tuple(taken), tuple(order.index(q) for q in after)))
        left, order = rest, after
    return Plan(qubits, tuple(groups), tuple(order))


def fuse(of: Plan, pairs: Pairs, gates: Tensor) -> list[Tensor]:
    """The matrix of each group (2^m, 2^m) from the gates, complex (pairs, 4, 4), the first qubit the slower one."""
    matrices = []
    for group in of.groups:
        m = len(group.qubits)
        matrix = torch.eye(2**m, dtype=gates.dtype, device=gates.device)
        for place in group.gates:
            a, b = (group.qubits.index(q) for q in pairs[place])
            axes = (a, b, *(k for k in range(m) if k not in (a, b)))
            matrix = _move(gates[place] @ _move(matrix, axes).view(4, -1), _inverse(axes)).view(2**m, 2**m)
        matrices.append(matrix)
    return matrices


def expectations(of: Plan, u: Tensor, matrices: Sequence[Tensor], read: int) -> Tensor:
    """<Z> of the last ``read`` qubits (read, t) from real amplitudes u (2^n, t), which need not be normalised.

    ``matrices``: of ``fuse``, unitary. Differentiable in both, any number of times.
    """
    if is_traced(u, *matrices):
        return _read_out(of, u, matrices, read)
    out: Tensor = _Adjoint.apply(of, read, u, *matrices)  # type: ignore[no-untyped-call]
    return out


def _move(psi: Tensor, axes: tuple[int, ...]) -> Tensor:
    """psi (2^n, t) with its qubits in the order of ``axes``."""
    if axes == tuple(range(len(axes))):
        return psi
    n = len(axes)
    return psi.reshape(*[2] * n, -1).permute(*axes, n).reshape(2**n, -1)


def _inverse(axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(axes.index(k) for k in range(len(axes)))


def _act(matrix: Tensor, psi: Tensor) -> Tensor:
    """``matrix`` on the first qubits."""
    return (matrix @ psi.reshape(len(matrix), -1)).reshape(psi.shape)


@cached_constant
def _signs(of: Plan, read: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(read, 2^n): +1 where the qubit is 0, for amplitudes whose qubits stand in the plan's last order."""
    n = of.qubits
    places = [n - 1 - of.order.index(q) for q in range(n - read, n)]
    bits = (np.arange(2**n) >> np.array(places)[:, None]) & 1
    return constant(1.0 - 2 * bits, dtype, device)


def _state(of: Plan, u: Tensor, matrices: Sequence[Tensor]) -> Tensor:
    """The final state, complex (2^n, t), its qubits in the plan's last order."""
    psi = torch.complex(u, torch.zeros_like(u))
    for group, matrix in zip(of.groups, matrices, strict=True):
        psi = _act(matrix, _move(psi, group.axes))
    return psi


def _read_out(of: Plan, u: Tensor, matrices: Sequence[Tensor], read: int) -> Tensor:
    psi = _state(of, u, matrices)
    return _signs(of, read, u.dtype, u.device) @ (psi.real.square() + psi.imag.square())


class _Adjoint(torch.autograd.Function):
    """(plan, read, u, *matrices) -> <Z>; keeps u and the matrices.

    The backward may be differentiated again. It takes the matrices for unitary, which is right for their derivatives
    too: along the weights they stay so.
    """

    @staticmethod
    def forward(ctx: Any, of: Plan, read: int, u: Tensor, *matrices: Tensor) -> Tensor:
        ctx.of, ctx.read = of, read
        ctx.save_for_backward(u, *matrices)
        return torch.cat([_read_out(of, part, matrices, read) for (part,) in _chunks(of, u)], 1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        u, *matrices = ctx.saved_tensors
        totals = [torch.zeros_like(m) for m in matrices]
        parts = [_chunk_backward(ctx.of, ctx.read, matrices, totals, *part) for part in _chunks(ctx.of, u, grad)]
        return None, None, torch.cat(parts, 1), *totals


def _chunks(of: Plan, *tensors: Tensor) -> list[tuple[Tensor, ...]]:
    return in_chunks(*tensors, numbers=2**of.qubits, at_once=AT_ONCE)


def _chunk_backward(
    of: Plan, read: int, matrices: list[Tensor], totals: list[Tensor], u: Tensor, upstream: Tensor
) -> Tensor:
    """Gradient of u (2^n, t); those of the matrices are added to ``totals``.

    Walks back with psi and g = dL/dRe psi + i dL/dIm psi: a matrix U has dL/dU = g psi_before^+.
    """
    psi = _state(of, u, matrices)
    g = 2 * (_signs(of, read, u.dtype, u.device).T @ upstream) * psi
    for group, matrix, total in zip(of.groups[::-1], matrices[::-1], totals[::-1], strict=True):
        undo, size = matrix.mH, len(matrix)
        psi = _act(undo, psi)
        total += g.reshape(size, -1) @ psi.reshape(size, -1).mH
        g = _move(_act(undo, g), _inverse(group.axes))
        psi = _move(psi, _inverse(group.axes))
    return g.real
