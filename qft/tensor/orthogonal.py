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
        """Angles of each stage."""
        return [len(self.low(j % self.depth)) for j in range(self.stages)]

    def low(self, stage: int) -> Tensor:
        """The lower coordinate of each pair of this stage, in order."""
        i = torch.arange(self.n)
        return i[((i >> stage) & 1 == 0) & (i + (1 << stage) < self.n)]


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
    parts = list(angles.split(plan.counts))
    out = []
    for begin in range(0, plan.stages, plan.depth):
        run = parts[begin : begin + plan.depth]
        within = torch.eye(b, dtype=angles.dtype, device=angles.device).expand(number, b, b)
        across = torch.eye(number, dtype=angles.dtype, device=angles.device).expand(b, number, number)
        for j, part in enumerate(run):
            cosine, sine = _full(part.cos(), plan, j, number * b, 1.0), _full(part.sin(), plan, j, number * b, 0.0)
            if j < plan.inner:  # a row of the product: cos of its own, +-sin of its partner
                within = _rotate(within, cosine.view(number, b), sine.view(number, b), 1 << j)
            else:
                columns = (cosine.view(number, b).T, sine.view(number, b).T)
                across = _rotate(across, *columns, 1 << (j - plan.inner))
        out.append((within, across))
    return out


def _full(values: Tensor, plan: Butterfly, stage: int, length: int, fill: float) -> Tensor:
    """A value for each coordinate: that of its pair (with a minus on the lower one for the sine), or ``fill``."""
    low = plan.low(stage).to(values.device)
    sign = -1.0 if fill == 0.0 else 1.0
    number = torch.full((length,), len(low), device=values.device)
    number[low] = torch.arange(len(low), device=values.device)
    number[low + (1 << stage)] = len(low) + 1 + torch.arange(len(low), device=values.device)
    filled = torch.cat([sign * values, values.new_full((1,), fill), values])
    return filled.index_select(0, number)


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
