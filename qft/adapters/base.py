"""The shared PEFT tuner: a method is a config and a Delta, everything else is here.

A file of this folder that defines ``CONFIG`` (a subclass of QftConfig) is a method; PEFT then knows it as
``QFT_<NAME>`` and the usual calls work: get_peft_model, save_pretrained, PeftModel.from_pretrained.
"""

import hashlib
import itertools
import warnings
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from peft.config import PeftConfig
from peft.tuners.tuners_utils import BaseTuner, BaseTunerLayer, check_adapters_to_merge
from torch import Tensor, nn

from qft.adapters.about import About
from qft.adapters.delta import Delta
from qft.adapters.register import PREFIX, AdapterType, register
from qft.errors import QftError, nearest

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


@dataclass
class QftConfig(PeftConfig):
    """What all methods of ours share."""

    method: ClassVar[str]
    delta_class: ClassVar[Any]  # a subclass of Delta
    about: ClassVar[About]  # its row of docs/adapters.md
    wraps: ClassVar[str] = "linear layers"
    ranked: ClassVar[bool] = True  # False: the method has no r and no alpha

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
        if not self.ranked and (self.r != 4 or self.alpha is not None):
            raise QftError(f"{self.method} has no rank and no scale: leave r and alpha as they are.")

    @property
    def scale(self) -> float:
        """s = alpha / r."""
        return (2 * self.r if self.alpha is None else self.alpha) / self.r

    def candidates(self, model: nn.Module) -> dict[str, tuple[int, int]]:
        """Name -> (in, out) of everything this method can be put on: here, the linear layers."""
        return {name: (m.in_features, m.out_features) for name, m in linears(model).items()}  # type: ignore[misc]

    def choose_targets(self, model: nn.Module) -> None:
        """Fill in target_modules where left open."""
        if self.target_modules is None:
            self.target_modules = default_targets(model)
        elif self.target_modules == "all-linear":
            self.target_modules = all_linear(model)

    def resolve(self, shapes: list[tuple[int, int]]) -> None:
        """Fill in options left open, from the (in, out) sizes of the layers that will be adapted."""

    def pack(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """What is written of an adapter's tensors (full names -> tensors); may note something in the config."""
        return state

    def callbacks(self) -> list[Any]:
        """TrainerCallbacks this method needs while it is trained."""
        return []


class QftLayer(nn.Module, BaseTunerLayer):
    """A layer or block with adapters beside it. What is wrapped is only called, whatever it is made of.

    A block (attention, feed-forward) may return a tuple: its first element is the value that is added to.
    Attributes that are not of this class are those of what is wrapped.
    """

    adapter_layer_names = ("qft_delta",)
    # from BaseTunerLayer, whose types are not read
    get_base_layer: Any
    active_adapters: Any
    _get_base_layer_device_and_dtype: Any
    disable_adapters: Any
    merged: Any

    def __init__(self, base_layer: nn.Module, in_features: int, out_features: int) -> None:
        super().__init__()
        self.base_layer = base_layer
        self.in_features, self.out_features = in_features, out_features
        self.qft_delta: Any = nn.ModuleDict()  # adapter name -> Delta
        self._disable_adapters = False
        self.merged_adapters: list[str] = []
        self._active_adapter: str | list[str] = []

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "base_layer":  # not there yet: while unpickling
                raise
            return getattr(self.base_layer, name)

    def add(self, name: str, delta: Delta, inference_mode: bool = False) -> None:
        """Put the adapter ``name`` on this layer, on the layer's device, and make it active."""
        self.qft_delta[name] = delta
        base = self.get_base_layer()
        weight = next(itertools.chain(base.parameters(), base.buffers()), None)
        if weight is not None and weight.device.type != "meta" and next(delta.parameters()).device.type != "meta":
            delta.to(weight.device)
        self.set_adapter([*self.active_adapters, name], inference_mode=inference_mode)

    def set_adapter(self, adapter_names: str | list[str], inference_mode: bool = False) -> None:
        super().set_adapter(adapter_names, inference_mode=inference_mode)
        for delta in self.qft_delta.values():
            delta.forget()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        if self.disable_adapters and self.merged:
            self.unmerge()
        result = self.base_layer(*args, **kwargs)
        if self.disable_adapters or self.merged:
            return result
        base = result[0] if isinstance(result, tuple) else result
        value = base
        for delta in (self.qft_delta[n] for n in self.active_adapters if n in self.qft_delta):
            value = value + delta(base if delta.reads_output else args[0]).to(base.dtype)
        return (value, *result[1:]) if isinstance(result, tuple) else value

    @torch.no_grad()
    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        """Add linear deltas to the base weight; a missing base bias is created first where one is needed."""
        names = [n for n in check_adapters_to_merge(self, adapter_names) if n in self.qft_delta]
        self._refuse_merge(names)
        for name in names:
            self._add_to_base(name, 1.0, safe_merge)
            self.merged_adapters.append(name)

    @torch.no_grad()
    def unmerge(self) -> None:
        if not self.merged:
            warnings.warn("Already unmerged. Nothing to do.", stacklevel=2)
        while self.merged_adapters:
            self._add_to_base(self.merged_adapters.pop(), -1.0, False)

    def _refuse_merge(self, names: list[str]) -> None:
        if crooked := [n for n in names if not self.qft_delta[n].linear]:
            raise ValueError(
                f"Adapter '{crooked[0]}' is not linear in its input, so no weight matrix equals it: "
                "it cannot be merged. Keep it beside the base model."
            )
        base = self.get_base_layer()
        weight, shape = getattr(base, "weight", None), (self.out_features, self.in_features)
        if names and (weight is None or weight.shape != shape or not weight.is_floating_point()):
            raise ValueError(
                f"Adapter '{names[0]}' cannot be merged into a {type(base).__name__}, whose weights are quantised "
                "or packed: load the base model in full precision to merge."
            )

    def _add_to_base(self, name: str, sign: float, safe: bool) -> None:
        base = self.get_base_layer()
        weight, bias = self.qft_delta[name].matrix()
        merged = (base.weight.data + sign * weight).to(base.weight.dtype)  # summed in the wider type, rounded once
        if safe and not torch.isfinite(merged).all():
            raise ValueError(f"Merging adapter '{name}' would give weights that are not finite.")
        base.weight.data = merged
        if bias is not None:
            if base.bias is None:
                base.bias = nn.Parameter(torch.zeros_like(bias, dtype=base.weight.dtype), requires_grad=False)
            base.bias.data = (base.bias.data + sign * bias).to(base.bias.dtype)


class QftTuner(BaseTuner):
    """PEFT's model side, the same for every method of ours."""

    prefix = PREFIX
    tuner_layer_cls = QftLayer
    target_module_mapping: ClassVar[dict[str, list[str]]] = {}

    def inject_adapter(self, model: nn.Module, adapter_name: str, *args: Any, **kwargs: Any) -> None:
        """Check everything on shapes alone, then let PEFT put the layers in: a refusal leaves the model as it was."""
        config = self.peft_config[adapter_name]
        config.choose_targets(model)
        sizes = target_sizes(model, config, self)
        config.resolve(list(sizes.values()))
        with torch.device("meta"):
            for in_features, out_features in sorted(set(sizes.values())):
                config.delta_class(in_features, out_features, config, None)
        self._sizes = sizes
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
        generator = None
        if peft_config.init_seed is not None:
            digest = hashlib.sha256(f"{peft_config.init_seed}|{current_key}".encode()).digest()
            generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
        sizes = self._sizes[current_key]
        delta = peft_config.delta_class(*sizes, peft_config, generator)
        if isinstance(target, QftLayer):
            active: Any = target.active_adapters
            target.add(adapter_name, delta, peft_config.inference_mode)
            target.set_adapter(active)
        else:
            layer = QftLayer(target, *sizes)
            layer.add(adapter_name, delta, peft_config.inference_mode)
            if adapter_name not in self.active_adapters:
                layer.requires_grad_(False)
            self._replace_module(parent, target_name, layer, target)

    def _replace_module(self, parent: nn.Module, child_name: str, new_module: nn.Module, child: nn.Module) -> None:
        """PEFT's own looks for a parameter of what is wrapped, which a quantised one need not have."""
        setattr(parent, child_name, new_module)

    def _refuse_merge(self, adapter_names: list[str] | None) -> None:
        """Look at every layer before the first is merged."""
        for layer in (m for m in self.model.modules() if isinstance(m, QftLayer)):
            names: Any = layer.active_adapters if adapter_names is None else adapter_names
            layer._refuse_merge([n for n in names if n in layer.qft_delta])

    def merge_adapter(self, adapter_names: list[str] | None = None, safe_merge: bool = False) -> None:
        self._refuse_merge(adapter_names)
        super().merge_adapter(adapter_names=adapter_names, safe_merge=safe_merge)

    def _unload_and_optionally_merge(
        self,
        merge: bool = True,
        progressbar: bool = False,
        safe_merge: bool = False,
        adapter_names: list[str] | None = None,
    ) -> nn.Module:
        if merge:
            self._refuse_merge(adapter_names)
        return super()._unload_and_optionally_merge(merge, progressbar, safe_merge, adapter_names)

    @classmethod
    def _get_adapter_state_dict(cls, model: nn.Module, config: QftConfig, *args: Any, **kwargs: Any) -> dict:
        return config.pack(super()._get_adapter_state_dict(model, config, *args, **kwargs))

    @classmethod
    def _remove_adapter_name_from_key(cls, key: str, adapter_name: str) -> str:
        return key.replace(f".qft_delta.{adapter_name}.", ".qft_delta.", 1)


def own_modules(model: nn.Module) -> dict[str, nn.Module]:
    """The base model's own modules by name, adapters and what they wrap left out."""
    found = {}
    module: Any
    for name, module in model.named_modules():
        if not (".base_layer" in name or ".qft_delta" in name or ".modules_to_save" in name):
            found[name] = module.get_base_layer() if isinstance(module, BaseTunerLayer) else module
    return found


def linears(model: nn.Module) -> dict[str, nn.Module]:
    """Every layer an adapter can wrap, by name: whatever states in_features and out_features."""
    return {n: m for n, m in own_modules(model).items() if hasattr(m, "in_features") and hasattr(m, "out_features")}


def all_linear(model: nn.Module) -> list[str]:
    """Names of all linear layers but the output head, those that carry an adapter already included."""
    find: Any = getattr(model, "get_output_embeddings", None)
    head = find() if find is not None else None
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
    raise QftError(f"No query and value projections found; set target_modules.{nearest('q_proj', leaves)}")


def target_sizes(model: nn.Module, config: QftConfig, tuner: type[BaseTuner] | BaseTuner) -> dict[str, tuple[int, int]]:
    """Name -> (in, out) of all the config selects, in the model's order. Raises QftError where none is."""
    able = config.candidates(model)
    chosen = {n: m for n, m in own_modules(model).items() if n and tuner._check_target_module_exists(config, n)}
    for name, module in chosen.items():
        if name not in able:
            raise QftError(
                f"target_modules={config.target_modules} selects {name}, a {type(module).__name__}; "
                f"only {config.wraps} can be adapted."
            )
    if not chosen:
        targets = config.target_modules
        wanted = targets if isinstance(targets, str) else next(iter(targets or ()), "")
        leaves = {name.rpartition(".")[2] for name in able}
        raise QftError(f"target_modules={targets} matches no layer.{nearest(wanted, leaves)}")
    return {name: able[name] for name in chosen}
