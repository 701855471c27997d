"""BitFit (arXiv 2106.10199): the biases that a model has are trained, and nothing else.

    y = W x + (c + d)        c: (out,) the layer's own bias, frozen; d: (out,) trained, d = 0 at the start

Training c + d by d is training c itself, with any optimizer: the gradients are equal. Only with a weight decay it is d
that shrinks, the change and not the bias. What is kept in the adapter is d, so that it can be taken off, put beside
others and merged: merged, the layer's bias is c + d and its weight as it was.

Published: all biases of the model, those of its norms and of its head included; that is what ``target_modules=null``
finds. In Qwen2 only query, key and value projections have one. Ours: in a model without any bias (LLaMA) each linear
layer but the head is given one, which ``qft params`` says; such an adapter cannot be merged. ``adapter=beft`` is PEFT's
method of that name: a vector on the layers that are named, with a bias or not.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from peft import TaskType
from peft.utils.constants import SEQ_CLS_HEAD_NAMES
from torch import Tensor, nn

from qft.adapters.config import QftConfig
from qft.adapters.delta import Delta
from qft.adapters.method_card import MethodCard
from qft.adapters.targets import all_linear, base_modules, linear_sizes, shortened

CLASSIFYING = (TaskType.SEQ_CLS, TaskType.TOKEN_CLS)


class BitFitDelta(Delta):
    """Parameter: ``change`` (out,), d."""

    linear = True
    has_bias = True
    bias_alone = True

    def __init__(
        self, in_features: int, out_features: int, config: "BitFitConfig", generator: torch.Generator | None
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.change = nn.Parameter(torch.zeros(out_features))

    def precompute(self) -> Tensor:
        return self.change

    def compute(self, x: Tensor, precomputed: Tensor) -> Tensor:
        no_features = x[:, :0].sum(1, keepdim=True)  # a zero a row, which autograd follows to x
        return no_features + precomputed

    def matrix(self) -> tuple[Tensor, Tensor]:
        return self.change.new_zeros(len(self.change), self.in_features), self.change

    def merged(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        with self.in_float32():
            return torch.zeros_like(weight, dtype=self.change.dtype), self.change

    @staticmethod
    def count(in_features: int, out_features: int, config: "BitFitConfig") -> int:
        return out_features


@dataclass
class BitFitConfig(QftConfig):
    """BitFit for PEFT: ``get_peft_model(model, BitFitConfig())``. It has no rank."""

    method: ClassVar[str] = "bitfit"
    delta_class: ClassVar[Any] = BitFitDelta
    card: ClassVar[MethodCard] = MethodCard(
        equation=r"y = W x + (c + d)",
        start="d = 0",
        circuit="none",
        lora_rank="0: a bias",
        parameters="out, of each layer or norm with a bias; in a model without any, of each linear layer but the head",
        token_cost="nothing",
        hardware="no circuit",
        source="arXiv 2106.10199",
        merge="where every adapted layer has a bias",
    )
    takes_targets: ClassVar[bool] = False
    ranked: ClassVar[bool] = False

    _gives_biases = False  # whether this model has none of its own; no option, and not saved

    def candidates(self, model: nn.Module) -> dict[str, tuple[int, int]]:
        """Linear layers, and whatever else has a bias with a weight of the same size: norms."""
        others = {
            name: (len(weight), len(weight))
            for name, module in base_modules(model).items()
            if (weight := module._parameters.get("weight")) is not None and weight.dim() == 1 and has_bias(module)
        }
        return linear_sizes(model) | others

    def choose_targets(self, model: nn.Module) -> None:
        if self.target_modules is None:
            modules = base_modules(model)
            # heads that are trained whole, biases included: those named, and those that PEFT adds for classification
            whole = [*(self.modules_to_save or []), *(SEQ_CLS_HEAD_NAMES if self.task_type in CLASSIFYING else [])]
            able = [name for name in self.candidates(model) if name.rpartition(".")[2] not in whole]
            biased = [name for name in able if has_bias(modules[name])]
            self._gives_biases = not biased
            self.target_modules = shortened(biased or all_linear(model), list(modules))
        super().choose_targets(model)

    def notes(self, shapes: list[tuple[int, int]]) -> list[str]:
        """Said of a model without biases."""
        return ["no layer of this model has a bias: each linear layer but the head is given one"] * self._gives_biases


def has_bias(module: nn.Module) -> bool:
    """Whether a layer has a bias of its own."""
    return module._parameters.get("bias") is not None


CONFIG = BitFitConfig
