"""Random frozen frames with a trained diagonal: the plainest low rank whose size does not grow with the layer.

    y = W x + s B (d * (A x))        A: (r, in), B: (out, r) frozen, d: (r,) trained

A has entries N(0, 1 / in) and B entries N(0, 1 / out), so that B A keeps lengths on the average; both are drawn for
each layer and saved with the adapter. Start: d = 0, zero with a gradient. A control of ours (VeRA, arXiv 2310.11454,
without its second vector and its sharing): what trained frames, circuits among them, add to a trained diagonal.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from qft.adapters.config import QftConfig
from qft.adapters.factors import FactorDelta
from qft.adapters.knob import Knob
from qft.adapters.method_card import MethodCard


class FrozenFramesDelta(FactorDelta):
    """Parameter: ``diagonal`` (r,). Buffers, saved with the adapter: ``frame_in`` (r, in), ``frame_out`` (out, r)."""

    frame_in: Tensor
    frame_out: Tensor

    def __init__(
        self, in_features: int, out_features: int, config: "FrozenFramesConfig", generator: torch.Generator | None
    ) -> None:
        super().__init__()
        self.scale = config.scale
        frame_in = torch.randn(config.r, in_features, generator=generator) / in_features**0.5
        frame_out = torch.randn(out_features, config.r, generator=generator) / out_features**0.5
        self.register_buffer("frame_in", frame_in)
        self.register_buffer("frame_out", frame_out)
        self.diagonal = nn.Parameter(torch.zeros(config.r))

    def factors(self) -> tuple[Tensor, Tensor]:
        return self.frame_in, self.frame_out * (self.scale * self.diagonal)

    @staticmethod
    def count(in_features: int, out_features: int, config: "FrozenFramesConfig") -> int:
        return config.r


@dataclass
class FrozenFramesConfig(QftConfig):
    """Frozen frames for PEFT: ``get_peft_model(model, FrozenFramesConfig(r=16))``."""

    method: ClassVar[str] = "frozen_frames"
    delta_class: ClassVar[Any] = FrozenFramesDelta
    knob: ClassVar[Knob | None] = Knob()
    card: ClassVar[MethodCard] = MethodCard(
        equation=r"y = W x + s B (d \odot A x)",
        start="d = 0",
        circuit="none",
        lora_rank="r",
        parameters="r",
        token_cost="r (in + out)",
        hardware="no circuit",
        source="ours, a control",
    )


CONFIG = FrozenFramesConfig
