"""Matrix product operators: a large matrix as a train of small cores (arXiv 2503.12790 v1, Eq. 1-4).

    W[j_1..j_n, i_1..i_n] = prod_k core_k[:, j_k, i_k, :]      core_k: (D_{k-1}, J_k, I_k, D_k), D_0 = D_n = 1

The matrix is never built: a few vectors are carried through the cores one after the other.
"""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

Shape = tuple[int, int, int, int]


def core_shapes(outs: Sequence[int], ins: Sequence[int], bond: int) -> list[Shape]:
    """Shapes of the cores for output factors J_k, input factors I_k and one bond dimension D."""
    if len(outs) != len(ins):
        raise ValueError(f"{len(outs)} output factors but {len(ins)} input factors")
    bonds = [1] + [bond] * (len(ins) - 1) + [1]
    return [(bonds[k], outs[k], ins[k], bonds[k + 1]) for k in range(len(ins))]


def num_parameters(outs: Sequence[int], ins: Sequence[int], bond: int) -> int:
    """sum_k I_k J_k D_{k-1} D_k (Eq. 3)."""
    return sum(prod(shape) for shape in core_shapes(outs, ins, bond))


def initial_cores(
    outs: Sequence[int], ins: Sequence[int], bond: int, fan_in: int, generator: torch.Generator | None = None
) -> list[Tensor]:
    """Uniform cores whose dense matrix has the variance of a Kaiming-uniform linear, 1 / (3 fan_in).

    An entry of the dense matrix sums D^(n-1) products of n independent core entries of variance v, so
    v = (1 / (3 fan_in D^(n-1)))^(1/n). float32. The paper says "improved Kaiming uniform" without a
    formula: this reading of it is inferred.
    """
    n = len(ins)
    variance = (1.0 / (3.0 * fan_in * bond ** (n - 1))) ** (1.0 / n)
    bound = (3.0 * variance) ** 0.5
    return [torch.empty(shape).uniform_(-bound, bound, generator=generator) for shape in core_shapes(outs, ins, bond)]


def rows_times(rows: Tensor, cores: Sequence[Tensor]) -> Tensor:
    """rows @ W: (r, prod J) -> (r, prod I), contracting core by core from the first."""
    r = rows.shape[0]
    t = rows.reshape(r, 1, -1)  # (prefix, D, remaining J)
    for core in cores:
        d, j, i, e = core.shape
        t = t.reshape(t.shape[0], d * j, -1)
        # bmm, not @: matmul picks another kernel when gradients are on, and results would differ in the last bit
        t = torch.bmm(core.permute(2, 3, 0, 1).reshape(1, i * e, d * j).expand(t.shape[0], -1, -1), t)
        t = t.reshape(t.shape[0] * i, e, -1)
    return t.reshape(r, -1)


def times_columns(cores: Sequence[Tensor], columns: Tensor) -> Tensor:
    """W @ columns: (prod I, r) -> (prod J, r), contracting core by core from the first."""
    return rows_times(columns.T, [core.transpose(1, 2) for core in cores]).T


def dense(cores: Sequence[Tensor]) -> Tensor:
    """The matrix itself, (prod J, prod I): the slow, obvious reference of the two products above."""
    w = torch.ones(1, 1, 1, dtype=cores[0].dtype, device=cores[0].device)
    for core in cores:
        w = torch.einsum("abd,djie->ajbie", w, core)
        w = w.reshape(w.shape[0] * w.shape[1], w.shape[2] * w.shape[3], w.shape[4])
    return w.squeeze(-1)
