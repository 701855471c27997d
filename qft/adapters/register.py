"""Makes our adapters known to PEFT. The only place that touches PEFT's mappings.

PEFT 0.21 accepts only names of its own closed enum in ``register_peft_method``; it does accept any string
with ``name`` and ``value`` in its mappings, which is what is used here.
"""

from typing import Any

from peft import mapping
from peft.config import PeftConfig

PREFIX = "qft_"


class AdapterType(str):
    """A PEFT type outside PEFT's enum: a plain string that also answers ``.name`` and ``.value``."""

    @property
    def name(self) -> str:
        return str.__str__(self)

    value = name

    def __str__(self) -> str:
        return f"PeftType.{self.name}"

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return AdapterType, (self.name,)

    def __deepcopy__(self, memo: dict[int, Any]) -> "AdapterType":
        return self


def register(peft_type: AdapterType, config: type[PeftConfig], tuner: type) -> None:
    """Enter one method. Registering the same class twice is harmless; another class is a ValueError."""
    known = mapping.PEFT_TYPE_TO_CONFIG_MAPPING.get(peft_type, config)
    if known is not config:
        raise ValueError(f"{peft_type.name} is already registered for {known}")
    mapping.PEFT_TYPE_TO_CONFIG_MAPPING[peft_type] = config
    mapping.PEFT_TYPE_TO_TUNER_MAPPING[peft_type] = tuner
    mapping.PEFT_TYPE_TO_PREFIX_MAPPING[peft_type] = PREFIX
