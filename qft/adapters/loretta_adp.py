"""LoRETTA_adp (arXiv 2402.11417): a bottleneck behind a block whose two linear layers are tensor trains.

    h' = h + up(act(down(h)))        h (d,): what an attention or feed-forward block gave out
    down: d -> b and up: b -> d, each one train over the axes of d and of b, all inner bonds R, with a bias

Contracted once a step: a token costs 2 b d products, tokens are never reshaped into the axes. Parameters: the cores of
both trains, sum of R_(k-1) d_k R_k, and d + b of the biases. Not linear: not mergeable.

Published (the authors' code): b = 64, R = 5, the scale is 1; act is tanh in their configuration, relu in their README.
On LLaMA it stands before the gate and up projections and after the down projection. Their entries are random, so that
the block changes at the start, and the loop meant to train the norms tests a stale name: it trains none of them, or
everything. Inferred: the biases start as torch's linear layers do. Ours: one adapter a layer, after the feed-forward
block (``placement``); any size is split into axes as for ``adapter=loretta``, of which they have a table; the last core
and the bias of up start at zero, and ``start=published`` leaves them random. In the first step those two alone have a
gradient. No norms are trained: ``modules_to_save=[input_layernorm,post_attention_layernorm,norm]`` does that.
"""

from dataclasses import dataclass, field
from math import prod
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from qft.adapters import axes as layer_axes
from qft.adapters.axes import Axes
from qft.adapters.blocks import BlockConfig
from qft.adapters.delta import Delta
from qft.adapters.knob import Knob
from qft.adapters.method_card import MethodCard
from qft.errors import QftError, nearest
from qft.ranges import within
from qft.tensor import tt

CHOICES = {"start": ("zero", "published"), "activation": ("tanh", "relu")}


class Layers(NamedTuple):
    """Once a step: weights (b, d) and (d, b), biases (b,) and (d,)."""

    down: Tensor
    down_bias: Tensor
    up: Tensor
    up_bias: Tensor


class LoRETTAAdpDelta(Delta):
    """Parameters: the cores ``down`` of (d, b) and ``up`` of (b, d), ``down_bias`` (b,), ``up_bias`` (d,)."""

    reads_output = True

    def __init__(
        self, in_features: int, out_features: int, config: "LoRETTAAdpConfig", generator: torch.Generator | None
    ) -> None:
        super().__init__()
        self.d, self.b = d, b = out_features, config.bottleneck
        self.padded = tuple(map(prod, config.axes_for(d)))
        self.activation = torch.tanh if config.activation == "tanh" else torch.relu
        down, up = config.trains(d)
        self.down = nn.ParameterList(tt.normal_cores(down, config.bond_dim, d, b, generator))
        self.down_bias = nn.Parameter(torch.empty(b).uniform_(-(d**-0.5), d**-0.5, generator=generator))
        self.up = nn.ParameterList(tt.normal_cores(up, config.bond_dim, b, d, generator))
        self.up_bias = nn.Parameter(torch.empty(d).uniform_(-(b**-0.5), b**-0.5, generator=generator))
        if config.start == "zero":
            nn.init.zeros_(self.up[-1])
            nn.init.zeros_(self.up_bias)

    def precompute(self) -> Layers:
        wide, narrow = self.padded
        down = tt.contract(list(self.down)).view(wide, narrow)[: self.d, : self.b]
        up = tt.contract(list(self.up)).view(narrow, wide)[: self.b, : self.d]
        return Layers(down, self.down_bias, up, self.up_bias)

    def compute(self, x: Tensor, precomputed: Layers) -> Tensor:
        down, down_bias, up, up_bias = precomputed
        return self.activation(x @ down + down_bias) @ up + up_bias

    @staticmethod
    def count(in_features: int, out_features: int, config: "LoRETTAAdpConfig") -> int:
        cores = sum(tt.num_parameters(axes, config.bond_dim) for axes in config.trains(out_features))
        return cores + out_features + config.bottleneck


@dataclass
class LoRETTAAdpConfig(BlockConfig):
    """LoRETTA_adp for PEFT: ``get_peft_model(model, LoRETTAAdpConfig(bond_dim=3))``. It has no rank."""

    method: ClassVar[str] = "loretta_adp"
    delta_class: ClassVar[Any] = LoRETTAAdpDelta
    knob: ClassVar[Knob | None] = Knob("bond_dim")
    ranked: ClassVar[bool] = False
    card: ClassVar[MethodCard] = MethodCard(
        equation=r"h' = h + U \, \tanh(D h + b_D) + b_U, \quad D, U \text{ tensor trains}",
        start="last core of U and b_U 0; first only these move; start=published: not zero",
        circuit="none",
        lora_rank="not linear",
        parameters="for a block of hidden size d: d + b, and for D and U each the sum of R_(k-1) d_k R_k over the axes "
        "d_k of d and b, inner bonds R",
        token_cost="2 b d",
        hardware="no circuit",
        source="arXiv 2402.11417",
    )

    bottleneck: int = field(
        default=64, metadata={"help": "b, width of the bottleneck."} | within(at_least=1, at_most=65_536)
    )
    bond_dim: int = field(
        default=5, metadata={"help": "Bond R of both tensor trains."} | within(at_least=1, at_most=1024)
    )
    activation: str = field(default="tanh", metadata={"help": "Between the two layers: tanh or relu."})
    start: str = field(
        default="zero", metadata={"help": "zero: the last core and the bias of up are 0; published: they are not."}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                raise QftError(f"{name}={getattr(self, name)} does not exist.{nearest(getattr(self, name), known)}")

    def axes_for(self, features: int) -> tuple[Axes, Axes]:
        """Axes of d, the outermost of the down train first, and of b."""
        return layer_axes.near_equal(features)[::-1], layer_axes.near_equal(self.bottleneck)

    def trains(self, features: int) -> tuple[Axes, Axes]:
        """Axes of the two trains: from d to b, and from b to d."""
        wide, narrow = self.axes_for(features)
        return (*wide, *narrow), (*narrow[::-1], *wide[::-1])

    def notes(self, shapes: list[tuple[int, int]]) -> list[str]:
        """The axes chosen, one line a size of block."""
        return [layer_axes.describe((d, self.bottleneck), self.axes_for(d)) for d in sorted({d for _, d in shapes})]


CONFIG = LoRETTAAdpConfig
