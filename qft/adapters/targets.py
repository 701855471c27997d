"""Which layers of a model are adapted: found by looking at the model, not by a table of families."""

import re
from typing import Any

from peft import LoraConfig, PeftConfig
from peft.tuners.tuners_utils import BaseTunerLayer, check_target_module_exists
from torch import nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from qft.errors import QftError, nearest

Targets = list[str] | str | None  # names of layers, one regular expression or all-linear; None: query and value

# query and value projections under the names model families give them
QUERY_VALUE = (
    ("q_proj", "v_proj"),  # Qwen, Llama, GLM, GPT-Neo, OPT, ...
    ("query", "value"),
    ("q", "v"),
    ("q_lin", "v_lin"),
    ("qkv_proj",),  # one layer for all three
    ("query_key_value",),
    ("c_attn",),
)


class TargetError(QftError, ValueError):
    """What is targeted cannot be adapted; a ValueError too, as users of PEFT expect."""


def features(module: Any) -> tuple[int, int] | None:
    """(in, out) of a layer that an adapter can wrap: one that states both, or GPT-2's Conv1D; None for any other."""
    if isinstance(module, Conv1D):
        return module.nx, module.nf
    if isinstance(module, NonDynamicallyQuantizableLinear):  # torch's own attention reads its weight, never calls it
        return None
    sizes = getattr(module, "in_features", None), getattr(module, "out_features", None)
    return None if None in sizes else sizes  # type: ignore[return-value]


def base_modules(model: nn.Module) -> dict[str, nn.Module]:
    """The base model's modules by name, adapters and what they wrap left out."""
    modules = {}
    module: Any
    for name, module in model.named_modules():
        if not (".base_layer" in name or ".qft_delta" in name or ".modules_to_save" in name):
            modules[name] = module.get_base_layer() if isinstance(module, BaseTunerLayer) else module
    return modules


def linears(model: nn.Module) -> dict[str, nn.Module]:
    """Every layer an adapter can wrap, by name."""
    return {name: module for name, module in base_modules(model).items() if features(module)}


def linear_sizes(model: nn.Module) -> dict[str, tuple[int, int]]:
    """Name -> (in, out) of the linear layers."""
    return {name: sizes for name, module in base_modules(model).items() if (sizes := features(module))}


def all_linear(model: nn.Module) -> list[str]:
    """Names of all linear layers but the output head, those that carry an adapter already included."""
    head: Any = model.get_output_embeddings() if isinstance(model, PreTrainedModel) else None
    if isinstance(head, BaseTunerLayer):
        layer: Any = head
        head = layer.get_base_layer()
    return sorted(name for name, module in linears(model).items() if module is not head)


def default_targets(model: nn.Module) -> list[str]:
    """Leaf names of the query and value projections of this model, found by looking rather than by family."""
    leaves = {name.rpartition(".")[2] for name in linears(model)}
    for names in QUERY_VALUE:
        if leaves.issuperset(names):
            return sorted(names)
    raise TargetError(f"No query and value projections found; set target_modules.{nearest('q_proj', leaves)}")


def reference_sizes(model: nn.Module, targets: Targets) -> dict[str, tuple[int, int]]:
    """Name -> (in, out) of the linear layers that ``targets`` name, as LoRA would adapt them.

    Raises TargetError where they name none, or something else.
    """
    wanted = default_targets(model) if targets is None else targets
    if is_all_linear(wanted):
        wanted = all_linear(model)
    return target_sizes(model, LoraConfig(target_modules=wanted), linear_sizes(model), "linear layers")


def is_all_linear(targets: Targets) -> bool:
    """Whether this is PEFT's word for every linear layer but the head, in any case."""
    return isinstance(targets, str) and targets.lower() == "all-linear"


def check_targets(targets: Any) -> None:
    """Raise QftError for what names no layers: neither null, names, nor one regular expression."""
    if isinstance(targets, str):
        try:
            re.compile(targets)
        except re.error as error:
            raise QftError(f"target_modules={targets} is not a regular expression: {error}.") from None
    elif targets is not None and not (isinstance(targets, (list, tuple)) and all(isinstance(t, str) for t in targets)):
        raise QftError(f"target_modules={targets} should be names, [q_proj,v_proj], or one regular expression.")


def target_sizes(
    model: nn.Module, config: PeftConfig, able: dict[str, tuple[int, int]], wraps: str
) -> dict[str, tuple[int, int]]:
    """Name -> (in, out) of all the config selects, in the model's order.

    ``able``: what the method can be put on, name -> (in, out); ``wraps``: what that is called in messages. Raises
    TargetError where nothing is selected, or something else.
    """
    chosen = {n: m for n, m in base_modules(model).items() if n and check_target_module_exists(config, n)}
    for name, module in chosen.items():
        if name not in able:
            raise TargetError(
                f"target_modules={config.target_modules} selects {name}, a {type(module).__name__}; "
                f"only {wraps} can be adapted."
            )
    if not chosen:
        targets = config.target_modules
        wanted = targets if isinstance(targets, str) else next(iter(targets or ()), "")
        leaves = {name.rpartition(".")[2] for name in able}
        narrowing = ("exclude_modules", "layers_to_transform", "layers_pattern", "modules_to_save")
        narrowed = [f"{n}={vars(config)[n]}" for n in narrowing if vars(config)[n] not in (None, [])]
        also = f" with {', '.join(narrowed)}" if narrowed else ""
        raise TargetError(f"target_modules={targets}{also} matches no layer.{nearest(wanted, leaves)}")
    return {name: able[name] for name in chosen}


def shortened(chosen: list[str], every: list[str]) -> list[str]:
    """The last word of each name, sorted, where all modules that end in it are chosen; else the name as it is."""
    others = {name.rpartition(".")[2] for name in set(every) - set(chosen)}
    leaves = ((name, name.rpartition(".")[2]) for name in chosen)
    return sorted({name if leaf in others else leaf for name, leaf in leaves})
