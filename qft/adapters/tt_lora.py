"""TT-LoRA (arXiv 2408.01008): the change of a layer as one tensor train over its input axes and its output axes.

    y = W x + alpha dW x
    dW[j_1..j_n, i_m..i_1] = G_1[i_1] ... G_m[i_m] G_m+1[j_1] ... G_m+n[j_n]        G_k: (R_k-1, d_k, R_k)

The input axes come first and in reverse (i_1 is the fastest), then the output axes (j_n is the fastest). The bond R
between the two sides bounds the rank of dW; all inner bonds are R = r. alpha is not divided by it. Parameters: sum over
k of R_k-1 d_k R_k. Contracted once a step to two factors: a token costs LoRA's two products.

Published (the authors' code): R = 5, alpha = 16, a learning rate of 5e-3, the query and value projections; cores
Kaiming uniform with a = sqrt(8), each divided by its Frobenius norm. With these the delta is not zero at the start: the
trained model is not the base plus a small change. Changed here: the last core starts at zero; ``start=published`` is
theirs. Their axes come from a table of sizes: any size is split here, ``axes`` takes others. Ours are the axes of 3584
and 512 (Qwen2-7B), and for every other size round(log2(n) / 2.4) near-equal axes, the longest outermost.
"""

from dataclasses import dataclass, field
from math import log2
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
from qft.tensor.factor import factorize

STARTS = ("zero", "published")
CHOSEN = {3584: (16, 4, 4, 7, 2), 512: (16, 4, 4, 2)}  # outermost first


def axes_of(features: int) -> Axes:
    """Axes of one side, the outermost of the train first."""
    return CHOSEN.get(features) or factorize(features, max(2, round(log2(features) / 2.4)), descending=True)


class TTLoRADelta(FactorDelta):
    """Parameters: the cores, those of the input side first."""

    def __init__(
        self, in_features: int, out_features: int, config: "TTLoRAConfig", generator: torch.Generator | None
    ) -> None:
        super().__init__()
        self.in_features, self.out_features, self.scale = in_features, out_features, config.scale
        check_rank("tt_lora", config.r, in_features, out_features)
        ins, outs = config.axes_for(in_features, out_features)
        self.cut = len(ins)
        cores = []
        for shape in tt.core_shapes([*ins, *outs], config.r):
            bound = (2 / (3 * shape[1] * shape[2])) ** 0.5  # Kaiming uniform with a = sqrt(8), a core taken as a weight
            core = torch.empty(shape).uniform_(-bound, bound, generator=generator)
            cores.append(core / core.norm())
        if config.start == "zero":
            cores[-1].zero_()
        self.cores = nn.ParameterList(cores)

    def factors(self) -> tuple[Tensor, Tensor]:
        cores = list(self.cores)
        # read backwards, so that the first core's axis is the fastest
        a = tt.contract([core.transpose(0, 2) for core in reversed(cores[: self.cut])])[:, : self.in_features, 0]
        b = tt.contract(cores[self.cut :])[:, : self.out_features, 0]
        return a, self.scale * b.T

    @staticmethod
    def count(in_features: int, out_features: int, config: "TTLoRAConfig") -> int:
        ins, outs = config.axes_for(in_features, out_features)
        return tt.num_parameters([*ins, *outs], config.r)


@dataclass
class TTLoRAConfig(QftConfig):
    """TT-LoRA for PEFT: ``get_peft_model(model, TTLoRAConfig(r=5))``. r is the bond R; alpha is not divided by it."""

    method: ClassVar[str] = "tt_lora"
    delta_class: ClassVar[Any] = TTLoRADelta
    knob: ClassVar[Knob | None] = Knob()
    card: ClassVar[MethodCard] = MethodCard(
        equation=r"\Delta W_{ji} = \alpha G_1[i_1] \cdots G_m[i_m] \, G_{m+1}[j_1] \cdots G_{m+n}[j_n]",
        start="last core 0; start=published: not zero",
        circuit="none",
        lora_rank="R",
        parameters="sum of R_(k-1) d_k R_k over the axes d_k of in and then of out, inner bonds R = r",
        token_cost="r (in + out)",
        hardware="no circuit",
        source="arXiv 2408.01008",
    )

    r: int = field(
        default=5, metadata={"help": "Bond R of the tensor train, the largest rank of dW."} | within(at_least=1)
    )
    alpha: float | None = field(default=16.0, metadata={"help": "Scale, not divided by R; null: 1."} | within(above=0))
    axes: list[Any] | None = field(
        default=None, metadata={"help": "For each size of layer [input axes, output axes]; null: by rule."}
    )
    start: str = field(default="zero", metadata={"help": "zero: the last core is 0; published: it is not."})

    def __post_init__(self) -> None:
        super().__post_init__()
        self.axes = layer_axes.read(self.axes)
        if self.start not in STARTS:
            raise QftError(f"start={self.start} does not exist.{nearest(self.start, STARTS)}")

    @property
    def scale(self) -> float:
        """alpha itself."""
        return 1.0 if self.alpha is None else self.alpha

    def axes_for(self, in_features: int, out_features: int) -> tuple[Axes, Axes]:
        """Input axes and output axes, each in the train's order: the outermost first, the outermost last."""
        by_rule = axes_of(in_features), axes_of(out_features)[::-1]
        return layer_axes.choose(self.axes, (in_features, out_features), by_rule)

    def resolve(self, shapes: list[tuple[int, int]]) -> None:
        if self.axes is not None:
            layer_axes.check(self.axes, {(i, o): (axes_of(i), axes_of(o)[::-1]) for i, o in shapes})

    def notes(self, shapes: list[tuple[int, int]]) -> list[str]:
        """The axes chosen, one line a size of layer."""
        return [layer_axes.describe(shape, self.axes_for(*shape)) for shape in sorted(set(shapes))]


CONFIG = TTLoRAConfig
