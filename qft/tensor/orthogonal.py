"""Orthogonal matrices from free numbers: blocks by Cayley's transform, butterflies of Givens rotations.

    Cayley      Q = (I + A/2)^-1 (I - A/2),   A = -A^T of size b
    butterfly   Q = G_m-1 ... G_1 G_0;   G_j rotates every pair (i, i + 2^j) with bit j of i zero and i + 2^j < n

Both are the identity where all numbers are zero, and have determinant +1 everywhere.

A butterfly is never applied stage by stage: the stages below 2^k stay within blocks of 2^k coordinates, the others
join the coordinates of one place in all blocks. With 2^k near sqrt(n) both are small dense blocks, and a row costs
about 2 n sqrt(n) products in two batched matrix products. No n x n matrix is formed.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from qft.tensor.constant import constant


def skew(entries: Tensor, size: int) -> Tensor:
    """The skew-symmetric matrix with these entries above its diagonal.

    Args:
        entries: (..., size (size - 1) / 2), row by row.
        size: b.

    Returns:
        A of shape (..., b, b) with A = -A^T.
    """
    with_zero = torch.nn.functional.pad(entries, (0, 1))
    chosen: Tensor = with_zero.index_select(-1, _skew_places(size).to(entries.device)).unflatten(-1, (size, size))
    signed: Tensor = chosen * _skew_signs(size).to(entries)
    return signed


@constant
def _skew_places(size: int) -> Tensor:
    """For each element of A its number among the entries, one past the last (a zero) on the diagonal."""
    rows, columns = torch.triu_indices(size, size, 1)
    number = torch.full((size, size), len(rows))
    number[rows, columns] = number[columns, rows] = torch.arange(len(rows))
    return number.flatten()


@constant
def _skew_signs(size: int) -> Tensor:
    return torch.ones(size, size).triu(1) - torch.ones(size, size).tril(-1)


def cayley(entries: Tensor, size: int) -> Tensor:
    """Orthogonal blocks (I + A/2)^-1 (I - A/2).

    Args:
        entries: (..., size (size - 1) / 2), the numbers of A above its diagonal.
        size: b.

    Returns:
        (..., b, b), orthogonal with determinant +1: an eigenvalue -1 is never reached.
    """
    half = skew(entries, size) / 2
    one = torch.eye(size, dtype=entries.dtype, device=entries.device)
    solved: Tensor = torch.linalg.solve(one + half, one - half)
    return solved.contiguous()  # the solver leaves columns in order


def block_rows(x: Tensor, blocks: Tensor) -> Tensor:
    """Q x for rows x, Q block-diagonal; coordinates past the last block stay as they are.

    Args:
        x: (t, n).
        blocks: (m, b, b) with m b <= n.

    Returns:
        (t, n).
    """
    m, b, _ = blocks.shape
    split = x[:, : m * b].unflatten(1, (m, b)).transpose(0, 1)
    turned = torch.bmm(split, blocks.mT).transpose(0, 1).flatten(1)
    return turned if m * b == x.shape[1] else torch.cat([turned, x[:, m * b :]], 1)


@dataclass(frozen=True)
class Butterfly:
    """Which pairs the stages of a butterfly on ``n`` coordinates rotate, and how they are cut into blocks.

    ``stages`` beyond ceil(log2 n) begin again at stage 0.
    """

    n: int
    stages: int

    def __post_init__(self) -> None:
        if self.n < 2 or self.stages < 1:
            raise ValueError(f"a butterfly needs 2 coordinates and 1 stage or more, not {self.n} and {self.stages}")

    @property
    def depth(self) -> int:
        """Stages of a full butterfly: ceil(log2 n)."""
        return (self.n - 1).bit_length()

    @property
    def inner(self) -> int:
        """k: stages 0 to k - 1 stay within blocks of 2^k coordinates."""
        return (self.depth + 1) // 2

    @property
    def counts(self) -> list[int]:
        """Angles of each stage: its pairs (i, i + 2^j) with bit j of i zero."""
        counts = []
        for stage in range(self.stages):
            j = stage % self.depth
            lower = max(0, self.n - (1 << j))  # i below this has a partner, where its bit j is zero
            counts.append((lower >> (j + 1) << j) + min(lower % (2 << j), 1 << j))
        return counts


def butterfly_blocks(angles: Tensor, plan: Butterfly) -> list[tuple[Tensor, Tensor]]:
    """The blocks of a butterfly, once a step.

    Args:
        angles: (sum(plan.counts),), those of stage 0 first.
        plan: sizes.

    Returns:
        For each run through the stages: blocks (n', b, b) within, applied first, and (b, n', n') across, with
        b = 2^k and n' = ceil(n / b).
    """
    b = 1 << plan.inner
    number = -(-plan.n // b)
    places = _butterfly_places(plan).to(angles.device)
    nothing = angles.new_zeros(1)
    shape = (plan.stages, number * b)
    cosines = torch.cat([angles.cos(), angles.cos(), nothing + 1]).index_select(0, places).view(shape)
    sines = torch.cat([-angles.sin(), angles.sin(), nothing]).index_select(0, places).view(shape)
    out = []
    for begin in range(0, plan.stages, plan.depth):
        within = torch.eye(b, dtype=angles.dtype, device=angles.device).expand(number, b, b)
        across = torch.eye(number, dtype=angles.dtype, device=angles.device).expand(b, number, number)
        for j in range(min(plan.depth, plan.stages - begin)):
            # a row of the product: cos of its own, -+sin of its partner's
            cosine, sine = cosines[begin + j].view(number, b), sines[begin + j].view(number, b)
            if j < plan.inner:
                within = _rotate(within, cosine, sine, 1 << j)
            else:
                across = _rotate(across, cosine.T, sine.T, 1 << (j - plan.inner))
        out.append((within, across))
    return out


@constant
def _butterfly_places(plan: Butterfly) -> Tensor:
    """For each stage and coordinate, padded, the number of its angle as the lower one of its pair, that plus the number
    of all angles as the upper one, and twice that number without a pair."""
    total = sum(plan.counts)
    length = -(-plan.n // (1 << plan.inner)) << plan.inner
    places, first = torch.full((plan.stages, length), 2 * total), 0
    for stage, count in enumerate(plan.counts):
        j = stage % plan.depth
        i = torch.arange(plan.n)
        low = i[((i >> j) & 1 == 0) & (i + (1 << j) < plan.n)]
        places[stage, low] = torch.arange(first, first + count)
        places[stage, low + (1 << j)] = total + torch.arange(first, first + count)
        first += count
    return places.flatten()


def _rotate(blocks: Tensor, cosine: Tensor, sine: Tensor, distance: int) -> Tensor:
    """One stage from the left: row i becomes cos_i row_i + sin_i row_(i xor distance)."""
    rows = torch.arange(blocks.shape[1], device=blocks.device)
    partner = (rows ^ distance).clamp(max=blocks.shape[1] - 1)  # without one the sine is zero
    return cosine.unsqueeze(-1) * blocks + sine.unsqueeze(-1) * blocks.index_select(1, partner)


def butterfly_rows(x: Tensor, blocks: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Q x for rows x.

    Args:
        x: (t, n).
        blocks: from butterfly_blocks.

    Returns:
        (t, n).
    """
    t, n = x.shape
    for within, across in blocks:
        number, b, _ = within.shape
        padded = torch.nn.functional.pad(x, (0, number * b - n)).view(t, number, b)
        inner = torch.bmm(within, padded.permute(1, 2, 0))  # (n', b, t)
        outer = torch.bmm(across, inner.transpose(0, 1))  # (b, n', t)
        x = outer.permute(2, 1, 0).reshape(t, number * b)[:, :n]
    return x
