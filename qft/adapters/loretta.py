"""LoRETTA, its reparametrisation LoRETTA_rep (arXiv 2402.11417): LoRA whose two factors are tensor trains.

    y = W x + s B (A x)        A: (r, in), B: (out, r),  s = alpha / r
    A^T[i, k] = G_1[i_1] ... G_m[i_m] G_m+1[k]        B^T[k, j] = H_1[k] H_2[j_1] ... H_n+1[j_n]

Each factor is one train over the flattened in x r, or r x out; all inner bonds are R = ``bond_dim``. Contracted once a
step: a token costs LoRA's two products.

Published (the authors' code): r = 8, R = 5, alpha = 16, a learning rate of 1e-4, dropout 0.05 (not here). Entries
of a core N(0, 1) R_k+1^(-1/2) (rows + columns)^(-1/(2 m)) for a train of m cores, so that the factor's entries have
variance 1 / (rows + columns). With these the delta is not zero at the start. Changed here: the last core of B starts at
zero; ``start=published`` is theirs. The published counts include all norms, which are trained too:
``modules_to_save=[input_layernorm,post_attention_layernorm,norm]``. Their axes come from a table of sizes: any size is
split here into three near-equal axes, two up to 256 features (ours); ``axes`` takes others, without that of r.
"""

from dataclasses import dataclass, field
from math import prod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from qft.adapters import axes as layer_axes
from qft.adapters.axes import Axes
from qft.adapters.config import QftConfig
from qft.adapters.factors import FactorDelta, check_rank
from qft.adapters.knob import Knob
from qft.adapters.method_card import MethodCard
from qft.errors import QftError, nearest
from qft.ranges import within
from qft.tensor import tt

STARTS = ("zero", "published")


class LoRETTADelta(FactorDelta):
    """Parameters: the cores ``a`` of A^T (in, r) and ``b`` of B^T (r, out)."""

    def __init__(
        self, in_features: int, out_features: int, config: "LoRETTAConfig", generator: torch.Generator | None
    ) -> None:
        super().__init__()
        check_rank("loretta", config.r, in_features, out_features)
        self.in_features, self.out_features, self.r, self.scale = in_features, out_features, config.r, config.scale
        ins, outs = config.axes_for(in_features, out_features)
        self.padded = prod(ins), prod(outs)
        bond = config.bond_dim
        a = tt.normal_cores((*ins, config.r), bond, in_features, config.r, generator)
        b = tt.normal_cores((config.r, *outs), bond, config.r, out_features, generator)
        if config.start == "zero":
            b[-1].zero_()
        self.a, self.b = nn.ParameterList(a), nn.ParameterList(b)

    def factors(self) -> tuple[Tensor, Tensor]:
        a = tt.contract(list(self.a)).view(self.padded[0], self.r)[: self.in_features]
        b = tt.contract(list(self.b)).view(self.r, self.padded[1])[:, : self.out_features]
        return a.T, self.scale * b.T

    @staticmethod
    def count(in_features: int, out_features: int, config: "LoRETTAConfig") -> int:
        ins, outs = config.axes_for(in_features, out_features)
        return sum(tt.num_parameters(axes, config.bond_dim) for axes in ((*ins, config.r), (config.r, *outs)))


@dataclass
class LoRETTAConfig(QftConfig):
    """LoRETTA_rep for PEFT: ``get_peft_model(model, LoRETTAConfig(r=8, bond_dim=5))``."""

    method: ClassVar[str] = "loretta"
    delta_class: ClassVar[Any] = LoRETTADelta
    knob: ClassVar[Knob | None] = Knob("bond_dim")
    card: ClassVar[MethodCard] = MethodCard(
        equation=r"y = W x + s B A x, \quad A, B \text{ tensor trains}",
        start="last core of B 0; start=published: not zero",
        circuit="none",
        lora_rank="min(r, R)",
        parameters="sum of R_(k-1) d_k R_k over the axes d_k of in r and of r out, inner bonds R",
        token_cost="r (in + out)",
        hardware="no circuit",
        source="arXiv 2402.11417",
    )

    r: int = field(default=8, metadata={"help": "Rank of the factors."} | within(at_least=1))
    bond_dim: int = field(
        default=5, metadata={"help": "Bond R of both tensor trains."} | within(at_least=1, at_most=1024)
    )
    axes: list[Any] | None = field(
        default=None, metadata={"help": "For each size of layer [input axes, output axes], without r; null: by rule."}
    )
    start: str = field(default="zero", metadata={"help": "zero: the last core of B is 0; published: it is not."})

    def __post_init__(self) -> None:
        super().__post_init__()
        self.axes = layer_axes.read(self.axes)
        if self.start not in STARTS:
            raise QftError(f"start={self.start} does not exist.{nearest(self.start, STARTS)}")

    def axes_for(self, in_features: int, out_features: int) -> tuple[Axes, Axes]:
        """Axes of in, that next to r last, and of out, that next to r first."""
        by_rule = layer_axes.near_equal(in_features)[::-1], layer_axes.near_equal(out_features)
        return layer_axes.choose(self.axes, (in_features, out_features), by_rule)

    def resolve(self, shapes: list[tuple[int, int]]) -> None:
        if self.axes is not None:
            layer_axes.check(
                self.axes, {(i, o): (layer_axes.near_equal(i)[::-1], layer_axes.near_equal(o)) for i, o in shapes}
            )

    def notes(self, shapes: list[tuple[int, int]]) -> list[str]:
        """The axes chosen, one line a size of layer."""
        return [layer_axes.describe(shape, self.axes_for(*shape)) for shape in sorted(set(shapes))]


CONFIG = LoRETTAConfig
