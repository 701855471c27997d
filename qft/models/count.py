"""Trainable parameters and memory of an adapter on a model, exactly, on the meta device: no weights needed."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch
from peft import PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer
from transformers import PreTrainedModel

from qft.adapters import methods
from qft.adapters.config import QftConfig
from qft.adapters.delta import Delta
from qft.adapters.shared import Shared
from qft.adapters.targets import Targets, reference_sizes
from qft.errors import QftError
from qft.models.load import Spec, meta_base
from qft.records import MemoryBytes, ModuleParameters, ParameterRecord

LORA_RANK = 4  # what the papers compare with


@dataclass(frozen=True)
class Counts:
    """What ``qft params`` reports. Memory in bytes; the optimizer is AdamW with float32 states."""

    modules: list[ModuleParameters]
    trainable: int
    base: int
    lora_r4: int
    base_bytes: int
    hidden_size: int
    notes: list[str]
    circuit: int = 0  # of the trainable ones: those that are angles of a circuit
    shared: int = 0  # of the trainable ones: those that belong to all layers together and to none of the modules

    @property
    def ratio(self) -> float:
        """Trainable parameters over those of LoRA r = 4 on the layers the model's ``target_modules`` name."""
        return self.trainable / self.lora_r4

    @property
    def weight_bytes(self) -> int:
        """Adapter weights, float32."""
        return 4 * self.trainable

    @property
    def optimizer_bytes(self) -> int:
        """Two float32 moments of AdamW."""
        return 8 * self.trainable

    def recorded(self) -> ParameterRecord:
        """For record.json and JSON output."""
        return ParameterRecord(
            trainable=self.trainable,
            base=self.base,
            lora_r4=self.lora_r4,
            ratio_to_lora_r4=self.ratio,
            modules=self.modules,
            bytes=MemoryBytes(self.base_bytes, self.weight_bytes, self.weight_bytes, self.optimizer_bytes),
            notes=self.notes,
            circuit=self.circuit,
        )


def _with_adapter(method: methods.Method, base: PreTrainedModel, targets: Targets, model: Spec) -> Any:
    """The base with the method on it. One of a library allocates nothing, unless it reads numbers at its start."""
    if not isinstance(method, methods.LibraryMethod):
        return method.add_to(base, targets, seed=0)
    try:
        with torch.device("meta"):
            return method.add_to(base, targets, seed=0)
    except QftError:
        return method.add_to(meta_base(model), targets, seed=0)


def count(model: Spec, adapter: Spec, bytes_per_weight: int | None = None) -> Counts:
    """Count without weights or network (where the model's yaml or local files state the architecture).

    ``bytes_per_weight`` of the base; None: what the architecture's dtype takes. Raises QftError where the
    adapter does not fit.
    """
    method = methods.of(adapter)
    base = meta_base(model)
    stored = base.config.dtype if isinstance(base.config.dtype, torch.dtype) else torch.float32
    size = 4 if method.trains_base else bytes_per_weight or stored.itemsize
    total = sum(p.numel() for p in base.parameters())
    targets = model.get("target_modules")
    reference = reference_sizes(base, targets)
    hidden_size = base.config.hidden_size
    peft = _with_adapter(method, base, targets, model)
    kinds: Counter[tuple[str, int, int, int]] = Counter()
    shapes = []
    layers = {name: module for name, module in peft.named_modules() if isinstance(module, BaseTunerLayer)}
    holders = Counter(p for module in layers.values() for p in set(module.parameters()))
    for name, module in layers.items():
        layer: Any = module
        shape = _shape(layer)
        own = sum(p.numel() for p in module.parameters() if p.requires_grad and holders[p] == 1)
        kinds[(name.rpartition(".")[2], *shape, own)] += 1
        shapes.append(shape)
    config = peft.peft_config["default"] if isinstance(peft, PeftModel) else None
    notes = config.notes(shapes) if isinstance(config, QftConfig) else []
    trainable = sum(p.numel() for p in peft.parameters() if p.requires_grad)
    shared = trainable - sum(one * number for (*_, one), number in kinds.items()) if layers else 0
    if shared:
        notes = [*notes, f"{shared:,} shared by all layers"]
    return Counts(
        modules=[ModuleParameters(n, i, o, number, one) for (n, i, o, one), number in kinds.items()],
        trainable=trainable,
        base=total,
        lora_r4=sum(LORA_RANK * (i + o) for i, o in reference.values()),
        base_bytes=total * size,
        hidden_size=hidden_size,
        notes=notes,
        circuit=sum(map(_angles, peft.modules())),
        shared=shared,
    )


def _shape(layer: Any) -> tuple[int, int]:
    """(in, out) of an adapted layer; of a norm, of which PEFT knows neither, its width for both."""
    if layer.in_features is not None:
        return layer.in_features, layer.out_features
    width = layer.get_base_layer().weight.numel()
    return width, width


def _angles(module: torch.nn.Module) -> int:
    """Trained parameters of one module of ours that are angles of a circuit."""
    if not isinstance(module, Delta | Shared):
        return 0
    named = (module._parameters.get(name) for name in module.circuit_parameters)
    return sum(p.numel() for p in named if p is not None and p.requires_grad)
