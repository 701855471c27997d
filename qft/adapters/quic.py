"""QuIC, quantum-inspired compound adapters (arXiv 2502.06916): minors of a small orthogonal matrix on the output.

    y = R (W x) + c        R = R_m-1 ... R_1 R_0
    R_j = blocks of size b = floor(out / r):  diag(A, C_2(A), I),    A orthogonal by Cayley's transform, (n, n)

C_2(A) is the second compound, the matrix of A's 2 x 2 minors; n is the largest with n + n (n - 1) / 2 <= b. Parameters:
r n (n - 1) / 2 for each of the m adapters. A = I at the start, with gradients everywhere. Linear, mergeable.

Published (the authors' code): orders up to K = 2, r = 3 (encoders) or 4 (LLaMA). Their counts are the n^2 numbers
stored for each A, twice the free ones: 495,616 = 64 4 44^2 on LLaMA-7B ("0.5 M"), of which 242,176 are free. ``qft
params`` prints both. Their ``num_adapters`` m > 1 is a product of compounds of the same coordinates, and C(A) C(B) =
C(A B): no new functions. Changed here: adapter j works on coordinates rolled by j out / m; ``offset=false`` is theirs.

Fast: C_2(A) acts on the slice, packed as an antisymmetric n x n matrix X, as A X A^T does: 2 n^3 products instead of
n^4 / 4. Where a block is small, b^2 <= 8 n^3, one product with it is cheaper than the packing: its minors are taken
once a step. No out x out matrix is built. Only x is kept for the backward pass. K = 1 leaves C_2 out; K above 2 is not
built. On hardware n qubits of beam splitters would need a state to be loaded and tomography for each block and token.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from qft.adapters.config import QftConfig
from qft.adapters.knob import Knob
from qft.adapters.method_card import MethodCard
from qft.adapters.multiplicative import OutputDelta
from qft.adapters.on_hardware import OnHardware
from qft.errors import QftError
from qft.quantum.autodiff import checkpointed
from qft.ranges import within
from qft.tensor.compound import block_diagonal, second_compound, second_compound_rows
from qft.tensor.orthogonal import block_rows, cayley


class QuICDelta(OutputDelta):
    """Parameters: ``skew`` (m, r, n (n - 1) / 2)."""

    circuit_parameters = ("skew",)

    def __init__(
        self, in_features: int, out_features: int, config: "QuICConfig", generator: torch.Generator | None
    ) -> None:
        super().__init__()
        self.order, self.blocks = config.order, config.blocks
        self.block, self.n = config.sizes(out_features)
        m = config.num_adapters
        self.rolls = [j * out_features // m if config.offset else 0 for j in range(m)]
        self.skew = nn.Parameter(torch.zeros(m, self.blocks, self.n * (self.n - 1) // 2))
        self.whole = self.order == 1 or self.block**2 <= 8 * self.n**3

    def precompute(self) -> Tensor:
        """A of each adapter and block, (m, r, n, n); with ``whole`` the blocks themselves, (m, r, b, b)."""
        a = cayley(self.skew, self.n)
        if self.order == 1 or not self.whole:
            return a
        return block_diagonal([a, second_compound(a)], self.block)

    def compute(self, x: Tensor, precomputed: Tensor) -> Tensor:
        if self.whole and len(precomputed) == 1:
            return block_rows(x, precomputed[0])  # keeps x alone by itself
        return checkpointed(self._turn, x, precomputed)

    def _turn(self, x: Tensor, matrices: Tensor) -> Tensor:
        """Rows x (t, out), A (m, r, n, n) or whole blocks (m, r, b, b) -> R x."""
        for roll, a in zip(self.rolls, matrices.unbind(), strict=True):
            moved = x.roll(-roll, 1) if roll else x
            out = block_rows(moved, a) if self.whole else self._packed(moved, a)
            x = out.roll(roll, 1) if roll else out
        return x

    def _packed(self, x: Tensor, a: Tensor) -> Tensor:
        """One adapter by its A (r, n, n) on rows x (t, out), no minor taken."""
        head = x[:, : self.blocks * self.block].unflatten(1, (self.blocks, self.block)).transpose(0, 1)
        parts = [torch.bmm(head[..., : self.n], a.mT)]
        past = self.n + self.n * (self.n - 1) // 2
        parts += [second_compound_rows(head[..., self.n : past], a), head[..., past:]]
        return torch.cat([torch.cat(parts, -1).transpose(0, 1).flatten(1), x[:, self.blocks * self.block :]], 1)

    @staticmethod
    def count(in_features: int, out_features: int, config: "QuICConfig") -> int:
        n = config.sizes(out_features)[1]
        return config.num_adapters * config.blocks * n * (n - 1) // 2


@dataclass
class QuICConfig(QftConfig):
    """QuIC for PEFT: ``get_peft_model(model, QuICConfig(blocks=3))``. It has no rank; blocks is the paper's r."""

    method: ClassVar[str] = "quic"
    delta_class: ClassVar[Any] = QuICDelta
    knob: ClassVar[Knob | None] = Knob("num_adapters")
    card: ClassVar[MethodCard] = MethodCard(
        equation=r"y = R (W x) + c, \quad R = \mathrm{diag}(A, C_2(A), I) \text{ on each block}",
        start="A = I",
        circuit="beam splitters on n modes",
        lora_rank="r (n (n + 1) / 2 - ceil(n / 2)) with one adapter: the rest is fixed",
        parameters="m r n (n - 1) / 2, n the largest with n (n + 1) / 2 <= out / r; the authors count m r n^2",
        token_cost="2 r n^3 for each of m adapters",
        hardware="no: a state to load and tomography for each block and token",
        source="arXiv 2502.06916",
    )
    ranked: ClassVar[bool] = False
    has_hardware_form: ClassVar[bool] = True

    blocks: int = field(default=4, metadata={"help": "r, diagonal blocks."} | within(at_least=1))
    order: int = field(default=2, metadata={"help": "K, the highest compound: 1 or 2."} | within(at_least=1, at_most=2))
    num_adapters: int = field(
        default=1, metadata={"help": "m, adapters one after the other."} | within(at_least=1, at_most=1000)
    )
    offset: bool = field(
        default=True,
        metadata={"help": "True: each adapter on coordinates rolled further; False: the authors', no gain."},
    )

    def sizes(self, features: int) -> tuple[int, int]:
        """b and n for an output of this size. Raises QftError where a block is too small for a rotation."""
        b = features // self.blocks
        n = b
        if self.order == 2:
            while n * (n + 1) // 2 > b:
                n -= 1
        least = 2 if self.order == 1 else 3  # outputs of a block in which something turns
        if features < least:
            raise QftError(f"quic: a layer of {features} outputs is too small; at least {least} are needed.")
        if n < 2:
            most = features // least
            raise QftError(f"quic: blocks={self.blocks} of {features} outputs are too small; at most {most} fit.")
        return b, n

    def on_hardware(self, shapes: list[tuple[int, int]]) -> OnHardware:
        n = max(self.sizes(out)[1] for _, out in shapes)
        return OnHardware(
            measures="squares of amplitudes, without their signs",
            refused=f"its beam splitters on {n} modes give R z as amplitudes: each block and token would need a "
            "state to be loaded and state tomography",
        )

    def notes(self, shapes: list[tuple[int, int]]) -> list[str]:
        """The blocks of each size of output, with the free numbers and those that the authors store and count."""
        lines = []
        for features in sorted({out for _, out in shapes}):
            b, n = self.sizes(features)
            free, stored = (self.num_adapters * self.blocks * each for each in (n * (n - 1) // 2, n * n))
            lines.append(f"{features}: {self.blocks} blocks of {b}, A {n} x {n}; {free:,} free, {stored:,} stored")
        return lines


CONFIG = QuICConfig
