"""Any method of the installed PEFT by its type: ``adapter=peft adapter.type=HIRA adapter.r=2``."""

from typing import Any

from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

from qft.errors import QftError, nearest


def target_of(name: Any) -> str:
    """The ``_target_`` of a type of PEFT, in any case: the full name of its config class.

    Raises:
        QftError: PEFT has no such type; the nearest one is named.
    """
    types = {str(key.value): config for key, config in PEFT_TYPE_TO_CONFIG_MAPPING.items()}
    library = {key: config for key, config in types.items() if config.__module__.startswith("peft.")}
    if (wanted := str(name).upper()) not in library:
        raise QftError(f"adapter.type={name} is no type of the installed PEFT.{nearest(wanted, library)}")
    config = library[wanted]
    return f"{config.__module__}.{config.__name__}"
