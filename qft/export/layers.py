"""What each adapted layer is to a LoRA: exact factors, a change of the weight, or a response to be fitted.

An adapter behind a block (h' = h + d(h), h = W z + c the block's output) becomes a LoRA of the linear layer the block
ends with: B A h = B (A W) z + B A c.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from peft.tuners.lora.layer import LoraLayer
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from qft.adapters.delta import Delta
from qft.adapters.layer import QftLayer
from qft.adapters.targets import features
from qft.errors import QftError
from qft.export.fit import Factors
from qft.models.activations import Batch, adapted

EXACT = 1e-5  # singular values below this share of the largest are float32's rounding of zero


@dataclass(frozen=True)
class Convertible:
    """One adapted layer.

    Attributes:
        name: Of the adapted layer or block.
        linear: Of the linear layer that the LoRA is put on.
        in_features: Of what the adapter reads.
        out_features: Of what it adds to.
        exact: The LoRA it equals, the constant it adds included; None where there is none of low rank.
        weight: dW (out, in), where its changes are dW x and nothing else; else None.
        end: Weight (out, in) and bias of the linear layer that ends the block, for an adapter behind one.
    """

    name: str
    linear: str
    in_features: int
    out_features: int
    exact: Factors | None = None
    weight: Tensor | None = None
    end: tuple[Tensor, Tensor | None] | None = None

    @property
    def highest(self) -> int:
        """The highest rank of a matrix of these sizes."""
        return min(self.in_features, self.out_features)

    def on_linear(self, factors: Factors) -> Factors:
        """Factors of what the adapter reads as those of the LoRA."""
        return factors if self.end is None else Factors(factors.a @ self.end[0], factors.b, factors.bias)


def convertible(model: Any, batch: Batch, bias: bool) -> list[Convertible]:
    """Every adapted layer of the model as a LoRA may stand for it.

    Args:
        model: A base with an active adapter.
        batch: Tokens by which the linear layer that ends a block is recognised.
        bias: Whether the LoRA may add a constant.

    Raises:
        QftError: The adapter changes something that no LoRA of a linear layer stands for.
    """
    layers = adapted(model)
    if not layers:
        raise QftError("This adapter changes no linear layer, so no LoRA stands for it; keep it as it is.")
    ends = _ends(model, {name: layer for name, layer in layers.items() if _behind_block(layer)}, batch)
    return [_convertible(name, layer, ends.get(name), bias) for name, layer in layers.items()]


def _behind_block(layer: Any) -> bool:
    return isinstance(layer, QftLayer) and any(delta.reads_output for delta in layer.qft_delta.values())


@torch.no_grad()
def _convertible(name: str, layer: Any, end: tuple[str, nn.Module] | None, bias: bool) -> Convertible:
    base = layer.get_base_layer()
    if end is not None:
        weight, constant = _weight(end[1])
        sizes = layer.out_features, layer.out_features
        return Convertible(name, end[0], *sizes, end=(weight, constant))
    if features(base) is None:
        raise QftError(f"{name} is a {type(base).__name__}: no LoRA stands for what the adapter changes in it.")
    sizes = layer.in_features, layer.out_features
    exact, changed, constant = _change(layer)
    if constant is not None and not bias:
        return Convertible(name, name, *sizes)  # fitted: without the constant dW is not the best
    if changed is not None and exact is None:
        exact = _numerically_low(changed)
    if exact is not None:
        exact = Factors(exact.a.double(), exact.b.double(), None if constant is None else constant.double())
    return Convertible(name, name, *sizes, exact, None if constant is not None else changed)


def _change(layer: Any) -> tuple[Factors | None, Tensor | None, Tensor | None]:
    """Exact factors, dW (out, in) and constant of an adapter that is affine; None for what it has not."""
    if isinstance(layer, QftLayer):
        return _change_of_ours(layer)
    if isinstance(layer, LoraLayer):
        found = _lora_factors(layer)
        if found is not None:
            return found, (found.b @ found.a), found.bias
    return None, *_merged_change(layer)


def _change_of_ours(layer: QftLayer) -> tuple[Factors | None, Tensor | None, Tensor | None]:
    delta: Delta = layer.qft_delta[layer.active_adapters[0]]
    base = layer.get_base_layer()
    needs_weight = delta.side != "added"
    if not delta.linear or (needs_weight and not base.weight.is_floating_point()):
        return None, None, None
    constant = None
    if delta.has_bias:
        with delta.in_float32():
            constant = delta.matrix()[1]
    factors = delta.low_rank()
    if factors is not None:
        return Factors(*factors), factors[1] @ factors[0], constant
    if needs_weight:
        weight = layer.get_delta_weight(layer.active_adapters[0])
        return None, weight.T if isinstance(base, Conv1D) else weight, None
    with delta.in_float32():
        return None, delta.matrix()[0], constant


def _lora_factors(layer: Any) -> Factors | None:
    """Of PEFT's LoRA, where it is nothing more than that."""
    name = layer.active_adapters[0]
    if name in layer.lora_variant or name not in layer.lora_B or not isinstance(layer.lora_B[name], nn.Linear):
        return None  # DoRA changes more than B A says, AdaLoRA keeps them elsewhere
    a, b, scale = layer.lora_A[name], layer.lora_B[name], layer.scaling[name]
    bias = None if b.bias is None else scale * b.bias.float()
    return Factors(a.weight.float(), scale * b.weight.float(), bias)


def _merged_change(layer: Any) -> tuple[Tensor | None, Tensor | None]:
    """dW (out, in) and constant that a merge of a library's method adds, in float32; None where it cannot be merged."""
    base = layer.get_base_layer()
    weight, bias = _weight_and_bias(base)
    if weight is None or not weight.is_floating_point():
        return None, None
    before = weight.data, None if bias is None else bias.data
    try:
        for parameter in (p for p in (weight, bias) if p is not None):
            parameter.data = parameter.data.float().clone()
        layer.merge(adapter_names=list(layer.active_adapters))
        weight, bias = _weight_and_bias(base)
        assert weight is not None
        change = weight.data - before[0].float()
        constant = None if bias is None or before[1] is None else bias.data - before[1].float()
    except (NotImplementedError, AttributeError, ValueError, TypeError):
        return None, None
    finally:
        with contextlib.suppress(NotImplementedError, AttributeError, ValueError, TypeError):
            layer.unmerge()
        base.weight.data = before[0]
        if before[1] is not None:
            base.bias.data = before[1]
    if constant is not None and not constant.any():
        constant = None
    return change.T if isinstance(base, Conv1D) else change, constant


def _weight_and_bias(base: nn.Module) -> tuple[nn.Parameter | None, nn.Parameter | None]:
    return base._parameters.get("weight"), base._parameters.get("bias")


def _weight(linear: nn.Module) -> tuple[Tensor, Tensor | None]:
    """Weight (out, in) and bias of a linear layer, float64."""
    weight, bias = _weight_and_bias(linear)
    if weight is None or not weight.is_floating_point():
        raise QftError(
            f"The linear layer that ends a block is a {type(linear).__name__}, whose weights are quantised or packed: "
            "load the base in full precision to convert this adapter."
        )
    whole = weight.data.double()
    return whole.T if isinstance(linear, Conv1D) else whole, None if bias is None else bias.data.double()


def _numerically_low(weight: Tensor) -> Factors | None:
    """Factors of a matrix whose rank is at most half of what its sizes allow; else None."""
    u, s, vh = torch.linalg.svd(weight.double(), full_matrices=False)
    rank = int((s > EXACT * s[0]).sum()) if s[0] > 0 else 0
    return Factors(vh[:rank], u[:, :rank] * s[:rank]) if rank <= len(s) // 2 else None


def _ends(model: Any, blocks: Mapping[str, Any], batch: Batch) -> dict[str, tuple[str, nn.Module]]:
    """Block -> name and module of the linear layer in it whose output is the block's."""
    if not blocks:
        return {}
    outputs: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        def see(_: Any, args: Any, output: Any) -> None:
            outputs[name] = output[0] if isinstance(output, tuple) else output

        return see

    inner = {f"{b}.{n}": m for b, layer in blocks.items() for n, m in layer.get_base_layer().named_modules() if n}
    linears = {name: module for name, module in inner.items() if features(module)}
    with contextlib.ExitStack() as hooks, torch.no_grad():
        for name, module in (linears | {b: layer.get_base_layer() for b, layer in blocks.items()}).items():
            hooks.callback(module.register_forward_hook(keep(name)).remove)
        model.eval()
        model(**{key: value[:1].to(model.device) for key, value in batch.items()}, use_cache=False)
    found = {}
    for block in blocks:
        ending = [name for name in linears if name.startswith(f"{block}.") and _same(outputs, name, block)]
        if not ending:
            raise QftError(f"No linear layer ends {block}, so no LoRA stands for the adapter behind it.")
        found[block] = ending[-1], linears[ending[-1]]
    return found


def _same(outputs: dict[str, Tensor], name: str, block: str) -> bool:
    return name in outputs and torch.equal(outputs[name], outputs[block])
