"""Compound matrices: the action of an orthogonal A on products of coordinates (arXiv 2502.06916).

    C_k(A)[S, T] = det A[S, T]        S, T subsets of k of the n coordinates, in lexicographic order

C_1(A) = A. The second compound acts on a vector over pairs as A X A^T acts on the antisymmetric X that holds it, so
that neither the minors nor C_2 need be formed: 2 n^3 products in place of n^4 / 4. For small n the matrix is faster.
"""

import torch
from torch import Tensor

from qft.tensor.constant import constant
from qft.tensor.orthogonal import skew


def second_compound_rows(x: Tensor, a: Tensor) -> Tensor:
    """C_2(A) x for rows x.

    Args:
        x: (..., t, n (n - 1) / 2), over the pairs (0, 1), (0, 2), ..., (n - 2, n - 1).
        a: (..., n, n).

    Returns:
        (..., t, n (n - 1) / 2).
    """
    n, t = a.shape[-1], x.shape[-2]
    packed = skew(x, n)  # (..., t, n, n)
    half = (packed.flatten(-3, -2) @ a.mT).unflatten(-2, (t, n))  # X A^T
    turned = half.mT.flatten(-3, -2) @ a.mT  # (X A^T)^T A^T = (A X A^T)^T = -A X A^T
    out: Tensor = -turned.unflatten(-2, (t, n)).flatten(-2).index_select(-1, _pairs(n).to(x.device))
    return out


def second_compound(a: Tensor) -> Tensor:
    """C_2(A) as a matrix, by its minors.

    Args:
        a: (..., n, n).

    Returns:
        (..., p, p) with p = n (n - 1) / 2; the identity, exactly, for A = I.
    """
    first, second = _first_and_second(a.shape[-1]).to(a.device)
    upper, lower = a.index_select(-2, first), a.index_select(-2, second)
    minors: Tensor = upper.index_select(-1, first) * lower.index_select(-1, second)
    return minors - upper.index_select(-1, second) * lower.index_select(-1, first)


def block_diagonal(parts: list[Tensor], size: int) -> Tensor:
    """Square matrices (..., n_i, n_i) along the diagonal of (..., size, size), ones on what is left of it."""
    filled = sum(part.shape[-1] for part in parts)
    one = torch.ones(size - filled, dtype=parts[0].dtype, device=parts[0].device).diag()
    rows, past = [], 0
    for part in [*parts, one.expand(*parts[0].shape[:-2], -1, -1)]:
        rows.append(torch.nn.functional.pad(part, (past, size - past - part.shape[-1])))
        past += part.shape[-1]
    return torch.cat(rows, -2)


@constant
def _first_and_second(n: int) -> Tensor:
    """The first and the second coordinate of each pair, (2, n (n - 1) / 2)."""
    return torch.triu_indices(n, n, 1)


@constant
def _pairs(n: int) -> Tensor:
    """Places of the elements above the diagonal in the flattened matrix."""
    rows, columns = torch.triu_indices(n, n, 1).unbind()
    return rows * n + columns
