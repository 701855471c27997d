"""Butterfly of Givens rotations on a layer's output: the classical control of the circuits (ours).

    y = R (W x) + c        R = G_m-1 ... G_1 G_0

Stage G_j rotates every pair of coordinates (i, i + 2^j), bit j of i being zero and i + 2^j < out, each by an angle of
its own. Orthogonal for every size, without padding. A full butterfly has ceil(log2 out) stages; further ones begin
again at stage 0. Angles are zero at the start: R = I, and all stages have gradients. Linear, mergeable, of full rank.

It has the wiring of a shallow circuit, with free angles where the gates of a circuit share theirs (``quantum_peft``).
A token costs out log2(out) rotations; they are applied as two products with blocks of about sqrt(out).
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from qft.adapters.config import QftConfig
from qft.adapters.knob import Knob
from qft.adapters.method_card import MethodCard
from qft.adapters.multiplicative import OutputDelta
from qft.errors import QftError
from qft.ranges import within
from qft.tensor.orthogonal import Butterfly, butterfly_blocks, butterfly_rows


class ButterflyDelta(OutputDelta):
    """Parameters: ``rotations``, the angles of all stages (radians)."""

    def __init__(
        self, in_features: int, out_features: int, config: "ButterflyConfig", generator: torch.Generator | None
    ) -> None:
        super().__init__()
        self.plan = config.plan(out_features)
        self.rotations = nn.Parameter(torch.zeros(sum(self.plan.counts)))

    def precompute(self) -> list[tuple[Tensor, Tensor]]:
        return butterfly_blocks(self.rotations, self.plan)

    def compute(self, x: Tensor, precomputed: list[tuple[Tensor, Tensor]]) -> Tensor:
        return butterfly_rows(x, precomputed)

    @staticmethod
    def count(in_features: int, out_features: int, config: "ButterflyConfig") -> int:
        return sum(config.plan(out_features).counts)


@dataclass
class ButterflyConfig(QftConfig):
    """A butterfly for PEFT: ``get_peft_model(model, ButterflyConfig(stages=4))``. It has no rank."""

    method: ClassVar[str] = "butterfly"
    delta_class: ClassVar[Any] = ButterflyDelta
    knob: ClassVar[Knob | None] = Knob("stages")
    card: ClassVar[MethodCard] = MethodCard(
        equation=r"y = R (W x) + c, \quad R = G_{m-1} \cdots G_1 G_0",
        start="angles 0: R = I",
        circuit="none",
        lora_rank="full rank",
        parameters="about out / 2 a stage; ceil(log2 out) stages",
        token_cost="2 out sqrt(out)",
        hardware="no circuit",
        source="a control of ours",
    )
    ranked: ClassVar[bool] = False

    stages: int | None = field(
        default=None, metadata={"help": "Stages; null: ceil(log2 out), each once."} | within(at_least=1, at_most=1000)
    )

    def plan(self, features: int) -> Butterfly:
        """The stages on an output of this size."""
        if features < 2:
            raise QftError("butterfly: a layer of 1 output has no pair to rotate; at least 2 are needed.")
        return Butterfly(features, self.stages or (features - 1).bit_length())

    def notes(self, shapes: list[tuple[int, int]]) -> list[str]:
        """The stages of each size of output, one line each."""
        plans = [self.plan(features) for features in sorted({out for _, out in shapes})]
        return [f"{p.n}: {p.stages} of {p.depth} stages" for p in plans]


CONFIG = ButterflyConfig
