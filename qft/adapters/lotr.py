"""LoTR (arXiv 2402.01376): one pair of frames for all layers of a shape, and a small matrix for each.

    y = W x + s P M_l (Q x)        P: (out, r), Q: (r, in) shared,  M_l: (r, r) the layer's own,  s = alpha / r

The query and value projections have unequal outputs where keys are shared by groups of heads; each shape has frames of
its own. Published (the authors' code): P and Q from N(0, 1), M = 0, so that the first step moves M alone. Changed: Q
from N(0, 1 / in), so that Q x has the size of x; ``start=published`` is theirs. Linear, mergeable; a token costs LoRA's
two products. Parameters: r (in + out) for each shape and r^2 for each layer; 3,168 on RoBERTa at r = 2, as published.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from qft.adapters.factors import check_rank
from qft.adapters.knob import Knob
from qft.adapters.method_card import MethodCard
from qft.adapters.shared import Shared, SharedConfig, SharedDelta, Site
from qft.errors import QftError, nearest

STARTS = ("scaled", "published")


class LoTRShared(Shared):
    """Parameters, for each (in, out): P (out, r) and Q (r, in)."""

    def __init__(self, shapes: list[tuple[int, int]], config: "LoTRConfig", generator: torch.Generator | None) -> None:
        super().__init__()
        self.frames = nn.ParameterDict()
        for in_features, out_features in shapes:
            deviation = 1.0 if config.start == "published" else in_features**-0.5
            p = torch.empty(out_features, config.r).normal_(generator=generator)
            q = torch.empty(config.r, in_features).normal_(0, deviation, generator=generator)
            self.frames[f"p_{in_features}_{out_features}"] = nn.Parameter(p)
            self.frames[f"q_{in_features}_{out_features}"] = nn.Parameter(q)


class LoTRDelta(SharedDelta):
    """Parameter: ``core`` (r, r), the layer's M."""

    def __init__(
        self, in_features: int, out_features: int, config: "LoTRConfig", generator: torch.Generator | None
    ) -> None:
        super().__init__()
        check_rank("lotr", config.r, in_features, out_features)
        self.scale, self.shape = config.scale, f"{in_features}_{out_features}"
        self.core = nn.Parameter(torch.zeros(config.r, config.r))

    def factors(self) -> tuple[Tensor, Tensor]:
        frames = self.shared.frames
        return frames[f"q_{self.shape}"], self.scale * frames[f"p_{self.shape}"] @ self.core

    @staticmethod
    def count(in_features: int, out_features: int, config: "LoTRConfig") -> int:
        return config.r**2


@dataclass
class LoTRConfig(SharedConfig):
    """LoTR for PEFT: ``get_peft_model(model, LoTRConfig(r=8))``."""

    method: ClassVar[str] = "lotr"
    delta_class: ClassVar[Any] = LoTRDelta
    knob: ClassVar[Knob | None] = Knob()
    card: ClassVar[MethodCard] = MethodCard(
        equation="y = W x + s P M_l Q x",
        start="M = 0; first only M moves",
        circuit="none",
        lora_rank="r",
        parameters="r^2, and r (in + out) once for all layers of a shape",
        token_cost="r (in + out)",
        hardware="no circuit",
        source="arXiv 2402.01376",
    )

    start: str = field(
        default="scaled", metadata={"help": "Q at the start: scaled, N(0, 1 / in), or published, N(0, 1)."}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.start not in STARTS:
            raise QftError(f"start={self.start} does not exist.{nearest(self.start, STARTS)}")

    def build_shared(self, sites: list[Site], generator: torch.Generator | None) -> Shared:
        return LoTRShared(shapes(sites), self, generator)

    def shared_count(self, sites: list[Site]) -> int:
        return sum(self.r * (i + o) for i, o in shapes(sites))


def shapes(sites: list[Site]) -> list[tuple[int, int]]:
    """The (in, out) there are, in the model's order."""
    return list(dict.fromkeys((site.in_features, site.out_features) for site in sites))


CONFIG = LoTRConfig
