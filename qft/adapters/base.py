"""The shared PEFT tuner: a method is a config and a Delta, everything else is here.

A file of this folder that defines ``CONFIG`` (a subclass of QftConfig) is a method; PEFT then knows it as
``QFT_<NAME>`` and the usual calls work: get_peft_model, save_pretrained, PeftModel.from_pretrained.
"""

import hashlib
import warnings
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from peft.config import PeftConfig
from peft.tuners.tuners_utils import BaseTuner, BaseTunerLayer, check_adapters_to_merge
from torch import Tensor, nn

from qft.adapters.delta import Delta
from qft.adapters.register import PREFIX, AdapterType, register
from qft.errors import QftError, nearest

# query and value projections under the names model families give them
QUERY_VALUE = (("q_proj", "v_proj"), ("query", "value"), ("q", "v"), ("query_key_value",))


@dataclass
class QftConfig(PeftConfig):
    """What all methods of ours share."""

    method: ClassVar[str]
    delta_class: ClassVar[Any]  # a subclass of Delta

    r: int = field(default=4, metadata={"help": "Width of the bottleneck."})
    alpha: float | None = field(default=None, metadata={"help": "Scale s = alpha / r; null means 2 r."})
    target_modules: list[str] | str | None = field(
        default=None, metadata={"help": "Names of the linear layers to adapt; null: the query and value projections."}
    )
    exclude_modules: list[str] | str | None = field(default=None, metadata={"help": "Names to leave out."})
    modules_to_save: list[str] | None = field(default=None, metadata={"help": "Further modules to train whole."})
    init_seed: int | None = field(
        default=None, metadata={"help": "Seed of the initial weights, per module name; null: torch's own generator."}
    )

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "method" in cls.__dict__:
            register(AdapterType(f"QFT_{cls.method.upper()}"), cls, QftTuner)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.peft_type = AdapterType(f"QFT_{self.method.upper()}")  # type: ignore[assignment]
        if isinstance(self.target_modules, (list, tuple, set)):
            self.target_modules = sorted(self.target_modules)
        if self.r < 1:
            raise QftError(f"r={self.r}: the bottleneck must be at least 1 wide.")
        if self.alpha is not None and self.alpha <= 0:
            raise QftError(f"alpha={self.alpha} must be positive.")

    @property
    def scale(self) -> float:
        """s = alpha / r."""
        return (2 * self.r if self.alpha is None else self.alpha) / self.r

    def resolve(self, shapes: list[tuple[int, int]]) -> None:
        """Fill in options left open, from the (in, out) sizes of the layers that will be adapted."""


class QftLayer(nn.Module, BaseTunerLayer):
    """A layer with adapters beside it. The wrapped layer is only called, whatever it is made of."""

    adapter_layer_names = ("qft_delta",)

    def __init__(self, base_layer: nn.Module) -> None:
        super().__init__()
        self.base_layer = base_layer
        self.qft_delta: Any = nn.ModuleDict()  # adapter name -> Delta
        self._disable_adapters = False
        self.merged_adapters: list[str] = []
        self._active_adapter: str | list[str] = []

    def add(self, name: str, delta: Delta, inference_mode: bool = False) -> None:
        """Put the adapter ``name`` on this layer, on the layer's device, and make it active."""
        self.qft_delta[name] = delta
        device, _ = self._get_base_layer_device_and_dtype(self.get_base_layer())
        if device is not None and device.type != "meta" and next(delta.parameters()).device.type != "meta":
            delta.to(device)
        self.set_adapter([*self.active_adapters, name], inference_mode=inference_mode)

    def set_adapter(self, adapter_names: str | list[str], inference_mode: bool = False) -> None:
        super().set_adapter(adapter_names, inference_mode=inference_mode)
        for delta in self.qft_delta.values():
            delta.forget()

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if self.disable_adapters and self.merged:
            self.unmerge()
        result = self.base_layer(x, *args, **kwargs)
        if self.disable_adapters or self.merged:
            return result
        for name in self.active_adapters:
            if name in self.qft_delta:
                result = result + self.qft_delta[name](x).to(result.dtype)
        return result

    @torch.no_grad()
    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        """Add linear deltas to the base weight; a missing base bias is created first where one is needed."""
        names = [n for n in check_adapters_to_merge(self, adapter_names) if n in self.qft_delta]
        self._refuse_nonlinear(names)
        for name in names:
            self._add_to_base(name, 1.0, safe_merge)
            self.merged_adapters.append(name)

    @torch.no_grad()
    def unmerge(self) -> None:
        if not self.merged:
            warnings.warn("Already unmerged. Nothing to do.", stacklevel=2)
        while self.merged_adapters:
            self._add_to_base(self.merged_adapters.pop(), -1.0, False)

    def _refuse_nonlinear(self, names: list[str]) -> None:
        if crooked := [n for n in names if not self.qft_delta[n].linear]:
            raise ValueError(
                f"Adapter '{crooked[0]}' is not linear in its input, so no weight matrix equals it: "
                "it cannot be merged. Keep it beside the base model."
            )

    def _add_to_base(self, name: str, sign: float, safe: bool) -> None:
        base = self.get_base_layer()
        weight, bias = self.qft_delta[name].matrix()
        merged = base.weight.data + sign * weight.to(base.weight.dtype)
        if safe and not torch.isfinite(merged).all():
            raise ValueError(f"Merging adapter '{name}' would give weights that are not finite.")
        base.weight.data = merged
        if bias is not None:
            if base.bias is None:
                base.bias = nn.Parameter(torch.zeros_like(bias, dtype=base.weight.dtype), requires_grad=False)
            base.bias.data = base.bias.data + sign * bias.to(base.bias.dtype)


class QftTuner(BaseTuner):
    """PEFT's model side, the same for every method of ours."""

    prefix = PREFIX
    tuner_layer_cls = QftLayer
    target_module_mapping: ClassVar[dict[str, list[str]]] = {}

    def inject_adapter(self, model: nn.Module, adapter_name: str, *args: Any, **kwargs: Any) -> None:
        """Check everything on shapes alone, then let PEFT put the layers in: a refusal leaves the model as it was."""
        config = self.peft_config[adapter_name]
        if config.target_modules is None:
            config.target_modules = default_targets(model)
        shapes = target_shapes(model, config, self)
        config.resolve(shapes)
        with torch.device("meta"):
            for in_features, out_features in sorted(set(shapes)):
                config.delta_class(in_features, out_features, config, None)
        super().inject_adapter(model, adapter_name, *args, **kwargs)

    def _create_and_replace(
        self,
        peft_config: QftConfig,
        adapter_name: str,
        target: nn.Module,
        target_name: str,
        parent: nn.Module,
        current_key: str,
        parameter_name: str | None = None,
    ) -> None:
        base = target.get_base_layer() if isinstance(target, BaseTunerLayer) else target
        generator = None
        if peft_config.init_seed is not None:
            digest = hashlib.sha256(f"{peft_config.init_seed}|{current_key}".encode()).digest()
            generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
        delta = peft_config.delta_class(base.in_features, base.out_features, peft_config, generator)
        if isinstance(target, QftLayer):
            active: Any = target.active_adapters
            target.add(adapter_name, delta, peft_config.inference_mode)
            target.set_adapter(active)
        else:
            layer = QftLayer(target)
            layer.add(adapter_name, delta, peft_config.inference_mode)
            if adapter_name not in self.active_adapters:
                layer.requires_grad_(False)
            self._replace_module(parent, target_name, layer, target)

    def _check_merge_allowed(self) -> None:
        super()._check_merge_allowed()
        for module in self.model.modules():
            if isinstance(module, QftLayer):
                module._refuse_nonlinear(list(module.qft_delta))

    def merge_adapter(self, adapter_names: list[str] | None = None, safe_merge: bool = False) -> None:
        self._check_merge_allowed()
        super().merge_adapter(adapter_names=adapter_names, safe_merge=safe_merge)

    @classmethod
    def _remove_adapter_name_from_key(cls, key: str, adapter_name: str) -> str:
        return key.replace(f".qft_delta.{adapter_name}.", ".qft_delta.", 1)


def linears(model: nn.Module) -> dict[str, nn.Module]:
    """Every layer an adapter can wrap, by name: whatever states in_features and out_features."""
    found = {}
    for name, module in model.named_modules():
        inner = module.get_base_layer() if isinstance(module, BaseTunerLayer) else module
        inside = ".base_layer" in name or ".qft_delta" in name or ".modules_to_save" in name
        if not inside and hasattr(inner, "in_features") and hasattr(inner, "out_features"):
            found[name] = inner
    return found


def default_targets(model: nn.Module) -> list[str]:
    """Leaf names of the query and value projections of this model, found by looking rather than by family."""
    leaves = {name.rpartition(".")[2] for name in linears(model)}
    for names in QUERY_VALUE:
        if leaves.issuperset(names):
            return sorted(names)
    raise QftError(f"No query and value projections found; set target_modules.{nearest('q_proj', leaves)}")


def target_shapes(model: nn.Module, config: QftConfig, tuner: type[BaseTuner] | BaseTuner) -> list[tuple[int, int]]:
    """(in, out) of every layer the config selects, in the model's order. Raises QftError where none is."""
    layers = linears(model)
    if config.target_modules == "all-linear":
        return [(m.in_features, m.out_features) for m in layers.values()]  # type: ignore[misc]
    chosen = [m for name, m in layers.items() if tuner._check_target_module_exists(config, name)]
    if not chosen:
        leaves = {name.rpartition(".")[2] for name in layers}
        raise QftError(f"target_modules={config.target_modules} matches no layer.{nearest('q_proj', leaves)}")
    return [(m.in_features, m.out_features) for m in chosen]  # type: ignore[misc]
