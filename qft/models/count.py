"""Trainable parameters and memory of an adapter on a model, exactly, on the meta device: no weights needed."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from peft import PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer

from qft.adapters.config import QftConfig
from qft.adapters.targets import default_targets, features, linear_sizes
from qft.models.inject import inject, trains_whole
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

    @property
    def ratio(self) -> float:
        """Trainable parameters over those of LoRA r = 4 on the same layers, or on query and value projections."""
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
        )


def count(model: Spec, adapter: Spec, bytes_per_weight: int | None = None) -> Counts:
    """Count without weights or network (where the model's yaml or local files state the architecture).

    ``bytes_per_weight`` of the base; None: what the architecture's dtype takes. Raises QftError where the
    adapter does not fit.
    """
    base = meta_base(model)
    size = bytes_per_weight or getattr(base.config.dtype, "itemsize", 4) or 4
    size = 4 if trains_whole(adapter) else size
    total = sum(p.numel() for p in base.parameters())
    usual = default_targets(base)
    defaults = [sizes for name, sizes in linear_sizes(base).items() if name.rpartition(".")[2] in usual]
    hidden_size = base.config.hidden_size
    peft: Any = inject(base, adapter, seed=0)
    kinds: Counter[tuple[str, int, int, int]] = Counter()
    adapted, shapes = [], []
    for name, module in peft.named_modules():
        if isinstance(module, BaseTunerLayer):
            layer: Any = module
            shape = (layer.in_features, layer.out_features)
            trainable = sum(p.numel() for p in module.parameters() if p.requires_grad)  # type: ignore[attr-defined]
            kinds[(name.rpartition(".")[2], *shape, trainable)] += 1
            shapes.append(shape)
            if features(layer.get_base_layer()):  # a linear layer, as LoRA would take it
                adapted.append(shape)
    config = peft.peft_config["default"] if isinstance(peft, PeftModel) else None
    notes = config.notes(shapes) if isinstance(config, QftConfig) else []
    return Counts(
        modules=[ModuleParameters(n, i, o, layers, each) for (n, i, o, each), layers in kinds.items()],
        trainable=sum(p.numel() for p in peft.parameters() if p.requires_grad),
        base=total,
        lora_r4=sum(LORA_RANK * (i + o) for i, o in adapted or defaults),
        base_bytes=total * size,
        hidden_size=hidden_size,
        notes=notes,
    )
