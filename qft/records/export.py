"""conversion.json of a run and export.json of what was exported: what an adapter is worth as something else."""

from dataclasses import dataclass, field
from typing import ClassVar

from qft.records.schema import Document, absent


@dataclass
class LayerConversion:
    """What one layer of the LoRA holds of the adapter."""

    layer: str  # adapted layer or block
    linear: str  # layer that the LoRA is put on
    exact: bool  # whether the LoRA equals the adapter, but for rounding
    share: float  # of its changes that the LoRA explains, on the tokens that were kept aside
    linear_share: float  # the same at full rank: the most that any LoRA of this layer explains


@dataclass
class Losses:
    """Loss of the three models on the same samples, in nats per token."""

    samples: str  # held-out or validation
    adapter: float  # of the adapter as it was trained
    lora: float  # of the LoRA, read from its file
    base: float  # of the untuned base


@dataclass
class Agreement:
    """Logits of what was exported beside those of the adapter, on random tokens."""

    positions: int  # compared
    largest: float  # difference of two logits
    relative: float  # root mean square of the differences, over that of the adapter's logits
    of_change: float  # the same, over that of what the adapter changes of the base's logits
    same_token: float  # share of positions with the same most probable next token


@dataclass
class Conversion(Document):
    """What became of a run's adapter as a LoRA: the distance between the two, measured."""

    FILE: ClassVar[str] = "conversion.json"
    ADVICE: ClassVar[str] = "repeat qft export, or remove it"

    rank: int  # of the LoRA
    automatic: bool  # rank=auto chose it
    exact: bool  # every layer is
    bias: bool  # whether the LoRA adds constants
    fitted_tokens: int  # of training samples, that it was fitted on; 0 where nothing was fitted
    measured_tokens: int  # of validation samples, that shares are measured on
    share: float  # mean over layers of what the LoRA explains of the adapter's changes
    linear_share: float  # the same at full rank: the rest no LoRA holds
    curve: list[tuple[int, float]]  # rank and mean share at this rank
    layers: list[LayerConversion]
    losses: Losses
    agreement: Agreement
    scores: dict[str, dict[str, float | None]] = field(default_factory=dict)  # score -> adapter, lora, base -> value


@dataclass
class Export(Document):
    """What a directory that qft exported holds, and of which run."""

    FILE: ClassVar[str] = "export.json"
    ADVICE: ClassVar[str] = "export again with overwrite=true"

    kind: str  # merged or lora
    run: str  # name of the run
    method: str  # its adapter
    base: str  # fingerprint of the base model
    qft: str  # version of qft
    made: str  # local time with its offset
    dtype: str  # of the weights
    agreement: Agreement
    peak_memory_bytes: int  # of the process that exported, of the GPU where there is one
    conversion: Conversion | None = absent()  # of a LoRA
