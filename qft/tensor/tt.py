"""Tensor trains: a vector or matrix of many entries as a chain of small cores (arXiv 2408.01008, 2402.11417).

    t[i_1, ..., i_m] = G_1[i_1] G_2[i_2] ... G_m[i_m]        G_k of shape (R_{k-1}, d_k, R_k)

The chain of a matrix runs over the axes of one side and then those of the other, so that the bond between them bounds
its rank. Cores are contracted once a step, never against tokens.
"""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

Shape = tuple[int, int, int]


def core_shapes(axes: Sequence[int], bond: int, first: int = 1, last: int = 1) -> list[Shape]:
    """Shapes of the cores for axes d_k and one inner bond R; ``first`` and ``last`` are the outer bonds."""
    bonds = [first, *([bond] * (len(axes) - 1)), last]
    return [(bonds[k], d, bonds[k + 1]) for k, d in enumerate(axes)]


def num_parameters(axes: Sequence[int], bond: int, first: int = 1, last: int = 1) -> int:
    """sum_k R_{k-1} d_k R_k."""
    return sum(prod(shape) for shape in core_shapes(axes, bond, first, last))


def normal_cores(
    axes: Sequence[int], bond: int, rows: int, columns: int, generator: torch.Generator | None
) -> list[Tensor]:
    """Cores whose train, read as a matrix of rows x columns, has entries of variance 1 / (rows + columns).

    Each is N(0, 1) R_k^(-1/2) (rows + columns)^(-1/(2 m)), R_k the bond after it and m their number (arXiv 2402.11417).
    """
    deviation = (rows + columns) ** (-1 / (2 * len(axes)))
    shapes = core_shapes(axes, bond)
    return [torch.empty(s).normal_(0, deviation * s[2] ** -0.5, generator=generator) for s in shapes]


def contract(cores: Sequence[Tensor]) -> Tensor:
    """The chain as one tensor.

    Args:
        cores: (R_{k-1}, d_k, R_k) each.

    Returns:
        (R_0, prod d_k, R_m), the later axis fastest. Cost: O(prod d_k R^2).
    """
    out = cores[0]
    for core in cores[1:]:
        r, d, s = core.shape
        left = out.shape[0]
        out = (out.reshape(-1, r) @ core.reshape(r, d * s)).reshape(left, -1, s)
    return out
