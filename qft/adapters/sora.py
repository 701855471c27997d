"""SoRA, Sparse low-Rank Adaptation (Ding et al., EMNLP 2023): LoRA whose ranks are gated and pruned.

    y = W x + s B (g * (A x))          A: (r, in), g: (r,), B: (out, r),  s = alpha / r
    g <- sign(g) max(|g| - eta lambda, 0)      after each optimizer step, eta: the learning rate of that step

The soft threshold is the proximal step of lambda |g|_1: pruned gates are exactly zero. A rank whose gate is
zero may come back while training lasts; once it has ended, such ranks are dropped when the adapter is saved,
and ``ranks`` of its config says how many each layer kept. A starts Kaiming uniform, g at one, B at zero.
Linear, so it can be merged. Parameters: r (in + out) + r before pruning.

Inferred: lambda = 1, which makes a step's threshold as large as Adam's largest step.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from qft.adapters.config import QftConfig
from qft.adapters.factors import FactorDelta
from qft.adapters.knob import Knob
from qft.adapters.layer import QftLayer
from qft.adapters.method_card import MethodCard
from qft.ranges import within


def soft_threshold(g: Tensor, threshold: float) -> Tensor:
    """sign(g) max(|g| - threshold, 0), elementwise: the proximal map of threshold |g|_1."""
    return g.sign() * (g.abs() - threshold).clamp_min(0)


def _cut(whole: nn.Parameter, part: Tensor) -> nn.Parameter:
    """A part of a parameter as one of its own, trained where the whole is."""
    return nn.Parameter(part.detach().clone(), requires_grad=whole.requires_grad)


class SoRADelta(FactorDelta):
    """Parameters: a (r, in), the gate g (r,), b (out, r); r is the rank kept, once ranks were dropped."""

    def __init__(
        self, in_features: int, out_features: int, config: "SoRAConfig", generator: torch.Generator | None
    ) -> None:
        super().__init__()
        self.config = config
        self.scale = config.scale  # that of the rank it started with
        bound = in_features**-0.5  # what Kaiming uniform with a = sqrt(5) comes to
        self.a = nn.Parameter(torch.empty(config.r, in_features).uniform_(-bound, bound, generator=generator))
        self.g = nn.Parameter(torch.ones(config.r))
        self.b = nn.Parameter(torch.zeros(out_features, config.r))

    def factors(self) -> tuple[Tensor, Tensor]:
        return self.g.unsqueeze(1) * self.a, self.scale * self.b

    def report(self) -> dict[str, int]:
        return {"rank": int(self.g.count_nonzero())}

    @staticmethod
    def count(in_features: int, out_features: int, config: "SoRAConfig") -> int:
        return config.r * (in_features + out_features + 1)

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args: Any, **kwargs: Any) -> None:
        """Take over the rank of what is loaded: ranks that were pruned are not in the file."""
        gate = state_dict.get(f"{prefix}g")
        if gate is not None and gate.shape != self.g.shape and gate.dim() == 1 and len(gate) < len(self.g):
            rank = len(gate)
            self.a, self.g, self.b = (
                _cut(self.a, self.a[:rank]),
                _cut(self.g, self.g[:rank]),
                _cut(self.b, self.b[:, :rank]),
            )
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


@dataclass
class SoRAConfig(QftConfig):
    """SoRA for PEFT: ``get_peft_model(model, SoRAConfig())``; give ``callbacks()`` to the Trainer."""

    method: ClassVar[str] = "sora"
    delta_class: ClassVar[Any] = SoRADelta
    knob: ClassVar[Knob | None] = Knob()
    card: ClassVar[MethodCard] = MethodCard(
        equation=r"y = W x + s B (g \odot A x)",
        start="B = 0",
        circuit="none",
        lora_rank="r, the rank kept",
        parameters="r (in + out + 1), r the rank kept",
        token_cost="r (in + out)",
        hardware="no circuit",
        source="Ding et al., EMNLP 2023",
    )

    sparsity: float = field(
        default=1.0, metadata={"help": "lambda: gates shrink by learning rate * lambda a step."} | within(at_least=0)
    )
    ranks: dict[str, int] | None = field(
        default=None, metadata={"help": "Written when saving: the rank each layer kept. Not an option."}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.training_lasts = False

    def pack(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Drop the ranks whose gate is zero; not while training lasts, as a resumed run needs them."""
        gates = {name: gate for name, gate in state.items() if ".qft_delta." in name and name.endswith(".g")}
        self.ranks = {}
        packed = dict(state)
        for name, gate in gates.items():
            left = torch.ones_like(gate, dtype=torch.bool) if self.training_lasts else gate != 0
            stem, module = name[:-1], name.rpartition(".qft_delta.")[0].removeprefix("base_model.model.")
            packed |= {stem + "a": state[stem + "a"][left], name: gate[left], stem + "b": state[stem + "b"][:, left]}
            self.ranks[module] = int(left.sum())
        return packed

    def callbacks(self) -> list[Any]:
        """The proximal step, as a TrainerCallback."""
        from transformers import TrainerCallback

        class Proximal(TrainerCallback):
            """Shrinks the gates once an optimizer step: after accumulation and clipping, on every rank alike."""

            def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                config.training_lasts = True

            def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                shrink(kwargs["model"], kwargs["optimizer"], config)

            def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                config.training_lasts = False

        config = self
        return [Proximal()]


@torch.no_grad()
def shrink(model: nn.Module, optimizer: Any, config: SoRAConfig) -> None:
    """The proximal step on this config's gates that the optimizer trains, unless it skipped its own (an overflow)."""
    if getattr(optimizer, "step_was_skipped", False):
        return
    rates = {id(p): float(group["lr"]) for group in optimizer.param_groups for p in group["params"]}
    for layer in (m for m in model.modules() if isinstance(m, QftLayer)):
        for delta in layer.qft_delta.values():
            if isinstance(delta, SoRADelta) and delta.config is config and id(delta.g) in rates:
                delta.g.copy_(soft_threshold(delta.g, rates[id(delta.g)] * config.sparsity))
                delta.clear_cache()


CONFIG = SoRAConfig
