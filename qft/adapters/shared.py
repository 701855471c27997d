"""Methods whose layers share parameters: one module for all of them, held by the tuner and saved once.

A method is a ``SharedDelta`` (what a layer does), a ``Shared`` (what all layers share) and a ``SharedConfig``. The
shared module stands beside the base model, as ``base_model.qft_shared.<adapter>``: it is one copy in the checkpoint, in
the optimizer and in the count. Each layer knows its site, which tells it what part of the shared weights is its own.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from qft.adapters.config import QftConfig
from qft.adapters.delta import HALF, never_half
from qft.adapters.factors import FactorDelta
from qft.adapters.layer import QftLayer
from qft.adapters.tuner import QftTuner, generator_of
from qft.errors import QftError


class Site(NamedTuple):
    """Where an adapted layer stands, all counted from 0 in the model's order, and its sizes."""

    number: int  # among all adapted layers
    layer: int  # of its transformer layer among those that have one
    kind: int  # of its leaf name, such as q_proj, among those there are
    in_features: int
    out_features: int


def sites_of(sizes: dict[str, tuple[int, int]]) -> dict[str, Site]:
    """The sites of adapted layers, by name, from their names and (in, out)."""
    layers: dict[str, int] = {}
    kinds: dict[str, int] = {}
    sites = {}
    for number, (name, shape) in enumerate(sizes.items()):
        parts = name.split(".")
        place = next((i for i, part in enumerate(parts) if part.isdigit()), -1)
        layer = layers.setdefault(".".join(parts[: place + 1]), len(layers))
        sites[name] = Site(number, layer, kinds.setdefault(parts[-1], len(kinds)), *shape)
    return sites


class Shared(nn.Module):
    """What all layers of an adapter share: float32 parameters, drawn from ``generator`` alone."""

    circuit_parameters: tuple[str, ...] = ("angles",)  # names of those that are angles of a circuit

    def _apply(self, fn: Any, recurse: bool = True) -> "Shared":
        super()._apply(never_half(fn), recurse)  # type: ignore[no-untyped-call]
        return self


class SharedDelta(FactorDelta):
    """A layer's part of a shared adapter. A subclass defines ``factors`` and ``count``, which is of its own weights."""

    site: Site

    def __init__(self) -> None:
        super().__init__()
        self._shared: list[Any] = []  # in a list: registered here, it would be saved with each layer

    def attach(self, shared: Shared, site: Site) -> None:
        """Give the layer what it shares, and its place."""
        self._shared, self.site = [shared], site

    @property
    def shared(self) -> Any:
        """What all layers share."""
        return self._shared[0]

    def holders(self) -> Iterable[nn.Module]:
        return [*self.modules(), *(module for shared in self._shared for module in shared.modules())]

    @staticmethod
    def count(in_features: int, out_features: int, config: Any) -> int:
        return 0


class SharedTuner(QftTuner):
    """The tuner of methods that share: builds the shared module before the layers, and treats it as one of them."""

    uses_shared_state: bool = True

    def _before_injection(self, adapter_name: str, sizes: dict[str, tuple[int, int]]) -> None:
        config: Any = self.peft_config[adapter_name]
        self._sites = sites_of(sizes)
        with torch.device("meta"):
            config.build_shared(list(self._sites.values()), None)  # refused here, the model is left as it was
        if "qft_shared" not in self._modules:
            self.qft_shared = nn.ModuleDict()

    def inject_adapter(self, model: nn.Module, adapter_name: str, *args: Any, **kwargs: Any) -> None:
        self._lazily = bool(kwargs.get("low_cpu_mem_usage", False))
        super().inject_adapter(model, adapter_name, *args, **kwargs)
        config: Any = self.peft_config[adapter_name]
        shared = self.qft_shared[adapter_name]
        shared.requires_grad_(adapter_name in self.active_adapters and not config.inference_mode)
        if all(p.device.type != "meta" for p in shared.parameters()):  # otherwise once its saved weights are in place
            self._move_adapter_to_device_of_base_layer(adapter_name)

    def _build(self, config: Any, adapter_name: str, key: str, generator: torch.Generator | None) -> SharedDelta:
        if adapter_name not in self.qft_shared:
            with torch.device("meta" if self._lazily else "cpu"):
                drawn = None if self._lazily else generator_of(config, "shared")
                self.qft_shared[adapter_name] = config.build_shared(list(self._sites.values()), drawn)
        delta: SharedDelta = super()._build(config, adapter_name, key, generator)
        if key not in self._sites:
            raise QftError(f"{key} is in the saved adapter, but the options of {config.method} do not select it.")
        shared: Any = self.qft_shared[adapter_name]
        delta.attach(shared, self._sites[key])
        return delta

    def _layers(self, adapter_name: str) -> list[QftLayer]:
        return [m for m in self.model.modules() if isinstance(m, QftLayer) and adapter_name in m.qft_delta]

    def _move_adapter_to_device_of_base_layer(self, adapter_name: str, device: torch.device | None = None) -> None:
        """PEFT calls this of whatever has it, once saved weights are in place."""
        for layer in self._layers(adapter_name)[:1]:
            weight = next((t for t in (*layer.base_layer.parameters(), *layer.base_layer.buffers())), None)
            if weight is not None and weight.device.type != "meta":
                self.qft_shared[adapter_name].to(weight.device)

    def set_adapter(self, adapter_name: str | list[str], inference_mode: bool = False) -> None:
        super().set_adapter(adapter_name, inference_mode=inference_mode)
        active = [adapter_name] if isinstance(adapter_name, str) else adapter_name
        for name, shared in self.qft_shared.items():
            shared.requires_grad_(name in active and not inference_mode)

    def set_requires_grad(self, adapter_names: Any, requires_grad: bool = True) -> None:
        super().set_requires_grad(adapter_names, requires_grad)
        for name in [adapter_names] if isinstance(adapter_names, str) else adapter_names:
            self.qft_shared[name].requires_grad_(requires_grad)

    def delete_adapter(self, adapter_name: str) -> None:
        was_active = adapter_name in self.active_adapters
        super().delete_adapter(adapter_name)
        del self.qft_shared[adapter_name]
        if was_active:  # PEFT has made another one active, and its layers trainable
            for name, shared in self.qft_shared.items():
                shared.requires_grad_(name in self.active_adapters)

    def _cast_adapter_dtype(self, adapter_name: str, autocast_adapter_dtype: bool = True) -> None:
        super()._cast_adapter_dtype(adapter_name, autocast_adapter_dtype)
        shared = self.qft_shared[adapter_name]
        layers = self._layers(adapter_name)
        dtype = torch.float32 if autocast_adapter_dtype or not layers else layers[0].base_dtype()
        for tensor in (*shared.parameters(), *shared.buffers()):
            if tensor.is_floating_point() and (not autocast_adapter_dtype or tensor.dtype in HALF):
                tensor.data = tensor.data.to(dtype)

    @classmethod
    def _remove_adapter_name_from_key(cls, key: str, adapter_name: str) -> str:
        key = super()._remove_adapter_name_from_key(key, adapter_name)
        return key.replace(f".qft_shared.{adapter_name}.", ".qft_shared.", 1)


@dataclass
class SharedConfig(QftConfig):
    """Of a method whose layers share parameters."""

    tuner_class: ClassVar[type] = SharedTuner
    shares: ClassVar[bool] = True

    def build_shared(self, sites: list[Site], generator: torch.Generator | None) -> Shared:
        """What these layers share. Raises QftError, with the nearest value, where they cannot."""
        raise NotImplementedError

    def shared_count(self, sites: list[Site]) -> int:
        """Parameters of what they share, by formula; counted once, beside ``count`` of each layer."""
        raise NotImplementedError


def uniform(*shape: int, bound: float, generator: torch.Generator | None) -> Tensor:
    """A float32 tensor of U(-bound, bound)."""
    return torch.empty(shape).uniform_(-bound, bound, generator=generator)


def heads_of(sites: list[Site], head_dim: int, method: str) -> int:
    """The most heads that a layer's outputs hold. Raises QftError where they are no whole number of heads."""
    for site in sites:
        if site.out_features % head_dim:
            near = max(1, round(site.out_features / head_dim)) * head_dim
            raise QftError(
                f"{method}: {site.out_features} outputs are no whole number of heads of {head_dim}; "
                f"the nearest is {near}."
            )
    return max(site.out_features for site in sites) // head_dim


def head_dim_of(model: nn.Module, method: str) -> int:
    """Size of an attention head, as the model's config states it."""
    config: Any = getattr(model, "config", None)
    stated = getattr(config, "head_dim", None)
    if stated is not None:
        return int(stated)
    heads, width = getattr(config, "num_attention_heads", None), getattr(config, "hidden_size", None)
    if not heads or not width:
        raise QftError(f"{method}: the model's config names no heads; set head_dim.")
    return int(width) // int(heads)
