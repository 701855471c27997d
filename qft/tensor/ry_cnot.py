"""Probabilities of a shallow circuit of RY rotations and a chain of CNOT gates, all 2^n of them.

    p = | prod_l [ CNOT 0 -> 1 -> ... -> n-1, RY on all ]_l |0...0> |^2        (RY acts first), qubit 0 the first factor

The amplitudes are real. A layer of rotations is applied as two Kronecker halves, the chain as one permutation of the
amplitudes: bit k afterwards is the parity of bits 0 to k before.
"""

import torch
from torch import Tensor

from qft.tensor.constant import constant
from qft.tensor.two_design import kron


def probabilities(angles: Tensor) -> Tensor:
    """All probabilities at the end, of several circuits at a time.

    Args:
        angles: (..., layers, n), in radians.

    Returns:
        (..., 2^n). Circuits side by side with equal angles give equal bits.
    """
    *several, layers, n = angles.shape
    half = angles.reshape(-1, layers, n) / 2
    cosine, sine = half.cos(), half.sin()
    turns = list(torch.stack([cosine, -sine, sine, cosine], -1).unflatten(-1, (2, 2)).unbind(2))
    cut = n // 2
    low, high = kron(turns[cut:]), kron(turns[:cut] or [torch.ones_like(turns[0][..., :1, :1])])
    left, right = 1 << cut, 1 << (n - cut)
    order = _before_the_chain(n).to(angles.device)
    state = torch.zeros(half.shape[0], left, right, dtype=angles.dtype, device=angles.device)
    state[:, 0, 0] = 1
    for layer in range(layers):
        state = torch.bmm(torch.bmm(high[:, layer], state), low[:, layer].mT)
        state = state.flatten(1).index_select(1, order).view(-1, left, right)
    return state.flatten(1).square().reshape(*several, left * right)


@constant
def _before_the_chain(n: int) -> Tensor:
    """For each bit string after the chain of CNOT gates, the one before it."""
    after = torch.arange(1 << n)
    return after ^ (after >> 1)
