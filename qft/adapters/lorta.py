"""LoRTA (arXiv 2410.04060): one low-rank tensor over layers, kinds of matrices, heads and sizes.

    dW_lmh = s B diag(c_h * c_l * c_m) A        A: (r, in), B: (head size, r), c_h, c_l, c_m: (r,),  s = alpha / r

dW_lmh are the rows of head h. All are shared by all layers. Parameters: r (in + head size + heads + layers + kinds);
layers with another number of heads (keys and values shared by groups) have head vectors of their own. B = 0 at the
start, so that the first step moves B alone; A U(+-r^(-1/2)), c U(+-(6 / r)^(1/2)). Linear, mergeable; a token costs
LoRA's two products. A layer with fewer inputs than the largest takes the first columns of A.

Published: the equation, the starts, alpha / r; learning rates of 4e-3 to 5e-2 (GLUE), 3e-4 (instructions). Changed from
the authors' code, in which the heads split the input of q, k and v (a transposed product), four kinds have vectors even
where two are adapted, heads x head size = width is assumed, and every width x width matrix is formed each step.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from qft.adapters.knob import Knob
from qft.adapters.method_card import MethodCard
from qft.adapters.shared import Shared, SharedConfig, SharedDelta, Site, head_dim_of, heads_of, uniform
from qft.errors import QftError
from qft.ranges import within


class LoRTAShared(Shared):
    """Parameters: ``down`` A, ``up`` B, ``layers``, ``kinds``, and ``heads`` by their number."""

    def __init__(self, sites: list[Site], config: "LoRTAConfig", generator: torch.Generator | None) -> None:
        super().__init__()
        r, (width, layers, kinds, heads) = config.r, config.sizes(sites)
        bound = (6 / r) ** 0.5
        self.down = nn.Parameter(uniform(r, width, bound=r**-0.5, generator=generator))
        self.up = nn.Parameter(torch.zeros(config.head_size, r))
        self.layers = nn.Parameter(uniform(layers, r, bound=bound, generator=generator))
        self.kinds = nn.Parameter(uniform(kinds, r, bound=bound, generator=generator))
        self.heads = nn.ParameterDict(
            {str(n): nn.Parameter(uniform(n, r, bound=bound, generator=generator)) for n in heads}
        )


class LoRTADelta(SharedDelta):
    """No parameters of its own."""

    def __init__(
        self, in_features: int, out_features: int, config: "LoRTAConfig", generator: torch.Generator | None
    ) -> None:
        super().__init__()
        self.in_features, self.scale = in_features, config.scale
        self.heads = str(out_features // config.head_size)

    def factors(self) -> tuple[Tensor, Tensor]:
        shared, site = self.shared, self.site
        weights = self.scale * shared.heads[self.heads] * shared.layers[site.layer] * shared.kinds[site.kind]
        return shared.down[:, : self.in_features], (weights.unsqueeze(1) * shared.up).flatten(0, 1)


@dataclass
class LoRTAConfig(SharedConfig):
    """LoRTA for PEFT: ``get_peft_model(model, LoRTAConfig(r=16))``."""

    method: ClassVar[str] = "lorta"
    delta_class: ClassVar[Any] = LoRTADelta
    knob: ClassVar[Knob | None] = Knob()
    card: ClassVar[MethodCard] = MethodCard(
        equation=r"\Delta W_{lmh} = s B \, \mathrm{diag}(c_h \odot c_l \odot c_m) A",
        start="B = 0; first only B moves",
        circuit="none",
        lora_rank="r",
        parameters="for all layers: r (in + head size + heads + layers + kinds)",
        token_cost="r (in + out)",
        hardware="no circuit",
        source="arXiv 2410.04060",
    )

    head_dim: int | None = field(
        default=None, metadata={"help": "Size of a head; null: the model's."} | within(at_least=1)
    )

    def choose_targets(self, model: nn.Module) -> None:
        super().choose_targets(model)
        if self.head_dim is None:
            self.head_dim = head_dim_of(model, self.method)

    @property
    def head_size(self) -> int:
        """head_dim, once the model is known; 1 before."""
        return self.head_dim or 1

    def sizes(self, sites: list[Site]) -> tuple[int, int, int, list[int]]:
        """Inputs, layers, kinds, and the numbers of heads that there are."""
        if self.head_dim is None:
            raise QftError("lorta: head_dim is needed, the size of a head.")
        heads_of(sites, self.head_dim, self.method)
        heads = dict.fromkeys(s.out_features // self.head_dim for s in sites)
        layers, kinds = 1 + max(s.layer for s in sites), 1 + max(s.kind for s in sites)
        return max(s.in_features for s in sites), layers, kinds, list(heads)

    def build_shared(self, sites: list[Site], generator: torch.Generator | None) -> Shared:
        return LoRTAShared(sites, self, generator)

    def shared_count(self, sites: list[Site]) -> int:
        width, layers, kinds, heads = self.sizes(sites)
        return self.r * (width + self.head_size + layers + kinds + sum(heads))


CONFIG = LoRTAConfig
