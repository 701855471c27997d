"""MetaTT (arXiv 2506.09105): one tensor train over the layers, the kinds of matrices and their sizes.

    4D    dW_lm^T = alpha G_1 G_2[l] G_3[m] G_4              G_1: (in, r), G_4: (r, out), G_2[l] and G_3[m]: (r, r)
    5D    dW_lm^T = alpha [ G_1 G_2[l] G_3[m] G_h[h] G_4 ]_h     over the heads h of the output, G_4: (r, head size)

All cores are shared by all layers. Parameters: r (in + out) + (layers + kinds) r^2, or r (in + head size) + (layers +
kinds + heads) r^2. A layer with fewer inputs or outputs than the largest takes the first rows of G_1 and the first
columns of G_4 (ours, as VeRA does), and the first heads. Linear, mergeable; a token costs LoRA's two products.

The paper was read to its abstract; no code was found. Ours: G_1 = 0 and all else the identity at the start, so that the
first step moves G_1 alone, and alpha = 1, not divided by r.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from qft.adapters.knob import Knob
from qft.adapters.method_card import MethodCard
from qft.adapters.shared import Shared, SharedConfig, SharedDelta, Site, head_dim_of, heads_of
from qft.errors import QftError
from qft.ranges import within


class MetaTTShared(Shared):
    """Parameters: ``first`` G_1, ``layers`` G_2, ``kinds`` G_3, ``last`` G_4, and ``heads`` in 5D."""

    def __init__(self, sites: list[Site], config: "MetaTTConfig") -> None:
        super().__init__()
        r, sizes = config.r, config.sizes(sites)
        self.first = nn.Parameter(torch.zeros(sizes[0], r))
        self.layers, self.kinds = (nn.Parameter(torch.eye(r).repeat(n, 1, 1)) for n in sizes[1:3])
        if config.axes == 5:
            self.heads = nn.Parameter(torch.eye(r).repeat(sizes[3], 1, 1))
        self.last = nn.Parameter(torch.eye(r, sizes[-1]))


class MetaTTDelta(SharedDelta):
    """No parameters of its own."""

    def __init__(
        self, in_features: int, out_features: int, config: "MetaTTConfig", generator: torch.Generator | None
    ) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.scale, self.by_head = config.scale, config.axes == 5

    def factors(self) -> tuple[Tensor, Tensor]:
        shared, site = self.shared, self.site
        middle = self.scale * shared.layers[site.layer] @ shared.kinds[site.kind]
        if self.by_head:
            heads = shared.heads[: self.out_features // shared.last.shape[1]]
            b = (middle @ heads @ shared.last).transpose(0, 1).flatten(1).T  # (r, heads, size) -> (out, r)
        else:
            b = (middle @ shared.last[:, : self.out_features]).T
        return shared.first[: self.in_features].T, b


@dataclass
class MetaTTConfig(SharedConfig):
    """MetaTT for PEFT: ``get_peft_model(model, MetaTTConfig(r=8, axes=5))``. alpha is not divided by r."""

    method: ClassVar[str] = "metatt"
    delta_class: ClassVar[Any] = MetaTTDelta
    knob: ClassVar[Knob | None] = Knob()
    card: ClassVar[MethodCard] = MethodCard(
        equation=r"\Delta W_{lm}^T = \alpha G_1 G_2[l] \, G_3[m] \, G_4",
        start="G_1 = 0; first only G_1 moves",
        circuit="none",
        lora_rank="r",
        parameters="for all layers: r (in + out) + (layers + kinds) r^2; axes=5: a head in place of out, + heads r^2",
        token_cost="r (in + out)",
        hardware="no circuit",
        source="arXiv 2506.09105",
    )

    r: int = field(default=8, metadata={"help": "Bond of the tensor train."} | within(at_least=1))
    alpha: float | None = field(default=1.0, metadata={"help": "Scale, not divided by r; null: 1."} | within(above=0))
    axes: int = field(
        default=4, metadata={"help": "4, or 5 with one core for each head."} | within(at_least=4, at_most=5)
    )
    head_dim: int | None = field(
        default=None, metadata={"help": "Size of a head, with axes=5; null: the model's."} | within(at_least=1)
    )

    @property
    def scale(self) -> float:
        """alpha itself."""
        return 1.0 if self.alpha is None else self.alpha

    def choose_targets(self, model: nn.Module) -> None:
        super().choose_targets(model)
        if self.axes == 5 and self.head_dim is None:
            self.head_dim = head_dim_of(model, self.method)

    def sizes(self, sites: list[Site]) -> list[int]:
        """Lengths of the axes: inputs, layers, kinds, then outputs, or heads and their size."""
        lengths = [max(s.in_features for s in sites), 1 + max(s.layer for s in sites), 1 + max(s.kind for s in sites)]
        if self.axes == 4:
            return [*lengths, max(s.out_features for s in sites)]
        if self.head_dim is None:
            raise QftError("metatt: axes=5 needs head_dim, the size of a head.")
        return [*lengths, heads_of(sites, self.head_dim, self.method), self.head_dim]

    def build_shared(self, sites: list[Site], generator: torch.Generator | None) -> Shared:
        return MetaTTShared(sites, self)

    def shared_count(self, sites: list[Site]) -> int:
        first, *middle, last = self.sizes(sites)
        return self.r * (first + last) + sum(middle) * self.r**2


CONFIG = MetaTTConfig
