"""Options given as Python values: put into a composed config as they are, without a grammar that reads them."""

import os
import re
from collections.abc import Collection, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from qft.errors import QftError
from qft.names import shortened
from qft.records import Plain

OPEN = ("metric", "names", "paths", "slurm")  # keys under which any other may be given


def split(options: Mapping[str, Any], groups: Collection[str]) -> tuple[list[str], Plain]:
    """The choices among the options as words, and the other values by their full keys.

    ``{"adapter": "lora", "trainer": {"lr": 0.1}}`` -> ``(["adapter=lora"], {"trainer.lr": 0.1})``

    Args:
        options: Values by key; nested mappings are nested keys.
        groups: The names of the groups of configs.

    Raises:
        QftError: For a value that no yaml could hold.
    """
    choices: list[str] = []
    assigned: Plain = {}
    for key, value in options.items():
        group = key.replace(".", "/")
        if isinstance(value, str) and group in groups:
            if not re.fullmatch(r"[\w-]+", value):
                raise QftError(f"{key}={shortened(value)!r} is not a name of one of its choices.")
            choices.append(f"{group}={value}")
        else:
            assigned |= dict(_leaves(key, value))
    return choices, assigned


def assign(composed: DictConfig, assigned: Mapping[str, Any]) -> None:
    """Put values into a composed config; a key that is not there is an error of OmegaConf's."""
    library = (
        OmegaConf.select(composed, "adapter.type", throw_on_missing=False) is not None or "adapter.type" in assigned
    )
    open_keys = (*OPEN, "adapter") if library else OPEN
    for key, value in assigned.items():
        OmegaConf.update(composed, key, value, force_add=key.partition(".")[0] in open_keys)


def _leaves(key: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        return [leaf for name, inner in value.items() for leaf in _leaves(f"{key}.{name}", inner)]
    return [(key, _plain(key, value))]


def _plain(key: str, value: Any) -> Any:
    """The value as yaml has it: paths as texts, sequences as lists, and no text an interpolation."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str | os.PathLike):
        # OmegaConf reads ${...} in a text; a backslash before it says that it is meant as it stands
        return re.sub(r"(\\*)\$\{", lambda m: 2 * m[1] + r"\${", str(os.fspath(value)))
    if isinstance(value, list | tuple | range):
        return [_plain(key, item) for item in value]
    if isinstance(value, Mapping):
        return {str(name): _plain(key, item) for name, item in value.items()}
    raise QftError(f"{key}: a {type(value).__name__} cannot be an option; give numbers, texts, lists or mappings.")
