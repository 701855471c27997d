"""``to=lora``: an adapter as an ordinary LoRA, exact where it has a rank, else the nearest one on training samples."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from qft.adapters.targets import shortened
from qft.errors import QftError
from qft.export import fit
from qft.export.fit import Factors, Fit
from qft.export.layers import Convertible, convertible
from qft.models import activations
from qft.models.activations import Batch, Moments
from qft.process.memory import free_bytes
from qft.records import LayerConversion

log = logging.getLogger(__name__)

KEPT = 0.95  # rank=auto: the share of what full rank explains
HIGHEST = 256  # rank=auto goes no higher
MEMORY = 0.25  # of what is free, for moments


@dataclass(frozen=True)
class Converted:
    """A LoRA, layer by layer, and how much of the adapter it holds.

    Attributes:
        rank: Of the widest layer.
        exact: Every layer equals the adapter.
        bias: Whether layers have constants.
        layers: Name of the linear layer -> its factors.
        shares: Of each adapted layer.
        curve: Rank and mean share, on validation samples; empty where nothing was fitted.
        fitted: Tokens that it was fitted on.
        measured: Tokens that the shares are measured on.
    """

    rank: int
    exact: bool
    bias: bool
    layers: dict[str, Factors]
    shares: list[LayerConversion]
    curve: list[tuple[int, float]]
    fitted: int
    measured: int


def check_rank(rank: Any) -> int | None:
    """The rank that was asked for, None for auto. Raises QftError for anything else."""
    if rank == "auto":
        return None
    if not isinstance(rank, int) or isinstance(rank, bool) or rank < 1:
        raise QftError(f"rank={rank} should be a whole number from 1 on, or auto.")
    return rank


def convert(
    model: Any, fitting: Sequence[Batch], measuring: Sequence[Batch], rank: int | None, bias: bool
) -> Converted:
    """Every adapted layer as a LoRA.

    Args:
        model: A base with one active adapter.
        fitting: Training samples.
        measuring: Validation samples, on which shares are measured.
        rank: Of the LoRA; None: the exact one where there is one, else the smallest that keeps ``KEPT``.
        bias: Whether it may add constants.

    Raises:
        QftError: A rank that a layer has not, or an adapter that no LoRA stands for.
    """
    layers = convertible(model, fitting[0], bias)
    narrowest = min(layers, key=lambda layer: layer.highest)
    if rank is not None and rank > narrowest.highest:
        sizes = f"{narrowest.in_features} x {narrowest.out_features}"
        raise QftError(
            f"rank={rank} is above what {narrowest.name} has, a layer of {sizes}; at most {narrowest.highest}."
        )
    exact = [layer.exact for layer in layers]
    natural = max((found.rank for found in exact if found is not None), default=0)
    if all(found is not None for found in exact) and (rank is None or rank >= natural):
        if rank is not None and rank > natural:
            log.info("rank %d is exact already; rank=%d would add zeros.", natural, rank)
        return _exactly(layers, natural, bias)
    return _fitted(model, layers, fitting, measuring, rank, bias)


def _exactly(layers: list[Convertible], rank: int, bias: bool) -> Converted:
    factors = {layer.linear: layer.on_linear(layer.exact) for layer in layers if layer.exact is not None}
    shares = [LayerConversion(layer.name, layer.linear, True, 1.0, 1.0) for layer in layers]
    return Converted(max(1, rank), True, bias, factors, shares, [], 0, 0)


def _fitted(
    model: Any,
    layers: list[Convertible],
    fitting: Sequence[Batch],
    measuring: Sequence[Batch],
    rank: int | None,
    bias: bool,
) -> Converted:
    """The nearest LoRA. Layers whose moments fit into memory together are looked at in one pass over the samples."""
    fits: dict[str, Fit] = {}
    measured: dict[str, Tensor] = {}
    full: dict[str, float] = {}
    by_name = {layer.name: layer for layer in layers}
    memory = int(MEMORY * free_bytes(model.device)) // 2  # of training and of validation samples
    for group in activations.groups(by_name, memory):
        seen = [_moments(model, batches, group, by_name) for batches in (fitting, measuring)]
        for name in group:
            layer, (train, validation) = by_name[name], (each.pop(name) for each in seen)
            found = fit.best(train, layer.weight, bias)
            shares = fit.shares(validation, found)
            full[name] = float(shares[-1])
            most = rank if rank is not None else min(HIGHEST, layer.highest)
            fits[name], measured[name] = found.cut(most), shares[: max(most, 1)]
    chosen = rank if rank is not None else _smallest([fits[layer.name] for layer in layers])
    factors = {layer.linear: layer.on_linear(fits[layer.name].factors(chosen)) for layer in layers}
    shares_at = [
        LayerConversion(n, by_name[n].linear, False, float(measured[n][:chosen][-1]), full[n]) for n in by_name
    ]
    return Converted(
        chosen,
        False,
        bias,
        factors,
        shares_at,
        _curve(list(measured.values()), list(full.values())),
        activations.tokens(fitting),
        activations.tokens(measuring),
    )


def _moments(
    model: Any, batches: Sequence[Batch], group: list[str], layers: dict[str, Convertible]
) -> dict[str, Moments]:
    """Moments of one group of layers: of changes that a weight gives they are calculated, not seen."""
    known = all(layers[name].weight is not None for name in group)
    out = activations.moments(model, batches, group, changes=not known, title="activations")
    for name in group:
        layer = layers[name]
        if layer.weight is not None and known:
            out[name] = out[name].of_linear(layer.weight)
        elif layer.end is not None and layer.end[1] is not None:  # what is read without the bias the block ends with
            out[name] = out[name].about(layer.end[1], torch.zeros_like(out[name].d))
    return out


def _smallest(fits: list[Fit]) -> int:
    """The smallest rank at which layers keep ``KEPT`` of what full rank explains, in the mean."""
    kept = [found.kept() for found in fits]
    longest = min(HIGHEST, max(map(len, kept)))
    mean = torch.stack([nn.functional.pad(k[:longest], (0, longest - len(k[:longest])), value=1.0) for k in kept]).mean(
        0
    )
    enough = (mean >= KEPT).nonzero()
    if len(enough):
        return int(enough[0]) + 1
    log.warning(
        "warning: rank %d keeps %.0f%% of what full rank explains; auto goes no higher.", longest, 100 * mean[-1]
    )
    return longest


def _curve(shares: list[Tensor], full: list[float]) -> list[tuple[int, float]]:
    """Mean share at ranks 1, 2, 4, ... and at the highest that was kept of every layer."""
    longest = max(map(len, shares))
    ranks = [2**k for k in range(longest.bit_length()) if 2**k < longest] + [longest]
    at = [[float(each[min(rank, len(each)) - 1]) for each in shares] for rank in ranks]
    return [(rank, sum(values) / len(values)) for rank, values in zip(ranks, at)]


def write(folder: Path, model: Any, found: Converted, base: str | None) -> None:
    """adapter_config.json and adapter_model.safetensors, as PEFT's own LoRA writes them. The scale is 1.

    Args:
        folder: Where to.
        model: The model that was converted.
        found: Its LoRA.
        base: Id of its base on a hub; None where it has none.
    """
    named = model.get_base_model().named_modules()
    modules = {
        name.replace(".base_layer", ""): module for name, module in named
    }  # of an adapted layer, the layer itself
    targets = shortened(list(found.layers), list(modules))
    transposed = {isinstance(modules[name], Conv1D) for name in found.layers}
    if len(transposed) > 1:
        raise QftError("The adapted layers store their weights in two orders, which one LoRA cannot state.")
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=found.rank,
        lora_alpha=found.rank,
        target_modules=targets,
        lora_bias=found.bias,
        fan_in_fan_out=transposed.pop(),
        inference_mode=True,
        base_model_name_or_path=base,
    )
    config.save_pretrained(str(folder))
    _sorted_targets(folder / "adapter_config.json")
    tensors: dict[str, Tensor] = {}
    for name, factors in found.layers.items():
        a, b = _padded(factors, found.rank)
        key = f"base_model.model.{name}"
        tensors |= {f"{key}.lora_A.weight": a, f"{key}.lora_B.weight": b}
        if found.bias:
            bias = factors.bias if factors.bias is not None else torch.zeros(len(b))
            tensors[f"{key}.lora_B.bias"] = bias.float().cpu().contiguous()
    save_file(tensors, str(folder / "adapter_model.safetensors"), metadata={"format": "pt"})


def _padded(factors: Factors, rank: int) -> tuple[Tensor, Tensor]:
    """A (rank, in) and B (out, rank) in float32, of equal size in both, zeros beyond their own rank."""
    a, b = factors.a.double(), factors.b.double()
    across, down = a.norm(dim=1), b.norm(dim=0)
    scale = torch.where((across > 0) & (down > 0), (down / across).sqrt(), 1.0)  # numbers of both of one size
    a, b = a * scale[:, None], b / scale
    more = rank - factors.rank
    a, b = nn.functional.pad(a, (0, 0, 0, more)), nn.functional.pad(b, (0, more))
    return a.float().cpu().contiguous(), b.float().cpu().contiguous()


def _sorted_targets(path: Path) -> None:
    """PEFT keeps them as a set: in their order equal exports are equal files."""
    content = json.loads(path.read_text(encoding="utf-8"))
    content["target_modules"] = sorted(content["target_modules"])
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
