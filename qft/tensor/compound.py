"""Compound matrices: the action of an orthogonal A on products of coordinates (arXiv 2502.06916).

    C_k(A)[S, T] = det A[S, T]        S, T subsets of k of the n coordinates, in lexicographic order

C_1(A) = A. The second compound acts on a vector over pairs as A X A^T acts on the antisymmetric X that holds it, so
neither the minors nor C_2 are ever formed: 2 n^3 products in place of n^4 / 4.
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


@constant
def _pairs(n: int) -> Tensor:
    """Places of the elements above the diagonal in the flattened matrix."""
    rows, columns = torch.triu_indices(n, n, 1).unbind()
    return rows * n + columns
