"""PEFT's model side, the same for every method of ours: puts the layers in, saves, merges, and mixes batches."""

import hashlib
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar, Protocol

import torch
from peft.tuners.tuners_utils import BaseTuner
from torch import Tensor, nn

from qft.adapters.delta import HALF
from qft.adapters.layer import QftLayer
from qft.adapters.mixed_batch import each_row
from qft.adapters.register import PREFIX
from qft.adapters.targets import TargetError, target_sizes


class TunedConfig(Protocol):
    """What the tuner asks of a method's config, which is also a PeftConfig."""

    wraps: ClassVar[str]
    delta_class: ClassVar[Any]  # a subclass of Delta
    init_seed: int | None
    inference_mode: bool

    def candidates(self, model: nn.Module) -> dict[str, tuple[int, int]]:
        """Name -> (in, out) of everything the method can be put on."""

    def choose_targets(self, model: nn.Module) -> None:
        """Fill in the targeted modules where left open."""

    def resolve(self, shapes: list[tuple[int, int]]) -> None:
        """Fill in options left open, from the sizes of the adapted layers."""

    def pack(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """What is written of an adapter's tensors."""


def generator_of(config: TunedConfig, name: str) -> torch.Generator | None:
    """The generator of the initial weights of this name; None, torch's own, without ``init_seed``."""
    if config.init_seed is None:
        return None
    digest = hashlib.sha256(f"{config.init_seed}|{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


class QftTuner(BaseTuner):
    """PEFT's model side, the same for every method of ours."""

    prefix = PREFIX
    tuner_layer_cls = QftLayer
    target_module_mapping: ClassVar[dict[str, list[str]]] = {}

    def inject_adapter(self, model: nn.Module, adapter_name: str, *args: Any, **kwargs: Any) -> None:
        """Check everything on shapes alone, then let PEFT put the layers in: a refusal leaves the model as it was."""
        config: Any = self.peft_config[adapter_name]
        config.choose_targets(model)
        sizes = target_sizes(model, config, config.candidates(model), config.wraps)
        config.resolve(list(sizes.values()))
        with torch.device("meta"):
            for in_features, out_features in sorted(set(sizes.values())):
                config.delta_class(in_features, out_features, config, None)
        self._able = config.candidates(model)
        self._before_injection(adapter_name, sizes)
        super().inject_adapter(model, adapter_name, *args, **kwargs)

    def _before_injection(self, adapter_name: str, sizes: dict[str, tuple[int, int]]) -> None:
        """What a tuner does with the names and (in, out) of the layers, before the first is adapted."""

    def _build(self, config: TunedConfig, adapter_name: str, key: str, generator: torch.Generator | None) -> Any:
        """The Delta of the layer of this name."""
        return config.delta_class(*self._able[key], config, generator)

    def _create_and_replace(
        self,
        peft_config: TunedConfig,
        adapter_name: str,
        target: nn.Module,
        target_name: str,
        parent: nn.Module,
        current_key: str,
        parameter_name: str | None = None,
    ) -> None:
        generator = generator_of(peft_config, current_key)
        if current_key not in self._able:  # from a state dict; what the config selects was looked at before
            raise TargetError(f"{current_key} is a {type(target).__name__}; only {peft_config.wraps} can be adapted.")
        sizes = self._able[current_key]
        delta = self._build(peft_config, adapter_name, current_key, generator)
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
        parent.add_module(child_name, new_module)

    def _cast_adapter_dtype(self, adapter_name: str, autocast_adapter_dtype: bool = True) -> None:
        """Keep an adapter's weights in float32, or with ``autocast_adapter_dtype=False`` in its base layer's dtype."""
        for layer in (m for m in self.model.modules() if isinstance(m, QftLayer) and adapter_name in m.qft_delta):
            delta = layer.qft_delta[adapter_name]
            if not autocast_adapter_dtype:
                delta.keep_in(layer.base_dtype())
            elif next(delta.weights()).dtype in HALF:
                delta.keep_in(torch.float32)

    def _enable_peft_forward_hooks(
        self, *args: Any, adapter_names: list[str] | None = None, num_beams: int | None = None, **kwargs: Any
    ) -> AbstractContextManager[None]:
        """What PEFT enters around each forward and generate, with their arguments."""
        return nullcontext() if adapter_names is None else each_row(self.model, adapter_names, num_beams or 1)

    def add_weighted_adapter(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError("add_weighted_adapter: only PEFT's LoRA and IA3 can be combined with weights.")

    def _refuse_merge(self, adapter_names: list[str] | None, safe: bool) -> None:
        """Look at every layer before the first is merged."""
        for layer in (m for m in self.model.modules() if isinstance(m, QftLayer)):
            names: Any = layer.active_adapters if adapter_names is None else adapter_names
            layer._refuse_merge([n for n in names if n in layer.qft_delta], safe)

    def merge_adapter(self, adapter_names: list[str] | None = None, safe_merge: bool = False) -> None:
        self._refuse_merge(adapter_names, safe_merge)
        super().merge_adapter(adapter_names=adapter_names, safe_merge=safe_merge)

    def _unload_and_optionally_merge(
        self,
        merge: bool = True,
        progressbar: bool = False,
        safe_merge: bool = False,
        adapter_names: list[str] | None = None,
    ) -> nn.Module:
        if merge:
            self._refuse_merge(adapter_names, safe_merge)
        unloaded: nn.Module = super()._unload_and_optionally_merge(merge, progressbar, safe_merge, adapter_names)
        return unloaded

    @classmethod
    def _get_adapter_state_dict(
        cls, model: nn.Module, config: TunedConfig, *args: Any, **kwargs: Any
    ) -> dict[str, Tensor]:
        return config.pack(super()._get_adapter_state_dict(model, config, *args, **kwargs))

    @classmethod
    def _remove_adapter_name_from_key(cls, key: str, adapter_name: str) -> str:
        return key.replace(f".qft_delta.{adapter_name}.", ".qft_delta.", 1)
