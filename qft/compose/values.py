"""Options given as Python values: put into a composed config as they are, without Hydra's grammar."""

import os
import re
from collections.abc import Collection, Mapping
from numbers import Integral, Real
from typing import Any

from omegaconf import DictConfig, OmegaConf

from qft.errors import QftError
from qft.names import shortened, visible
from qft.records import Plain

OPEN = ("metric", "names", "paths", "slurm")  # keys under which any other may be given
DEEPEST = 20  # mappings and lists within each other
LONGEST = 200  # characters of a key in messages


def split(options: Mapping[str, Any], groups: Collection[str]) -> tuple[list[str], Plain]:
    """The choices among the options as words, and the other values, their keys as they were given.

    ``{"adapter": "lora", "trainer": {"lr": 0.1}}`` -> ``(["adapter=lora"], {"trainer": {"lr": 0.1}})``

    Args:
        options: Values by key; nested mappings are nested keys.
        groups: The names of the groups of configs.

    Raises:
        QftError: For a value that no yaml could hold, and for a group that is given neither a name nor options.
    """
    choices: list[str] = []
    assigned: Plain = {}
    for key, value in options.items():
        group = key.replace(".", "/")
        if group not in groups or isinstance(value, Mapping):
            assigned[key] = _plain(key, value)
        elif isinstance(value, str) and re.fullmatch(r"[\w-]+", value):
            choices.append(f"{group}={value}")
        else:
            raise QftError(f"{key}={shortened(str(value))!r} is not a name of one of its choices, nor a mapping.")
    return choices, assigned


def keys(assigned: Mapping[str, Any]) -> set[str]:
    """The full keys of values, mappings and what is in them: ``trainer.lr``."""
    found = set(assigned)
    for key, value in assigned.items():
        if isinstance(value, Mapping):
            found |= {f"{key}.{name}" for name in keys(value)}
    return found


def assign(composed: DictConfig, assigned: Mapping[str, Any]) -> None:
    """Put values into a composed config; a key that is not there is an error of OmegaConf's.

    A mapping goes into the mapping that is there, key by key, and takes the place of anything else.
    """
    library = "adapter.type" in keys(assigned)
    if library or OmegaConf.select(composed, "adapter.type", throw_on_missing=False) is not None:
        _put(composed, assigned, (*OPEN, "adapter"))
    else:
        _put(composed, assigned, OPEN)


def _put(composed: DictConfig, assigned: Mapping[str, Any], open_keys: tuple[str, ...]) -> None:
    for key, value in assigned.items():
        _check_key(key)
        present = OmegaConf.select(composed, key, throw_on_missing=False)
        if isinstance(value, Mapping) and isinstance(present, DictConfig):
            _put(composed, {f"{key}.{name}": inner for name, inner in value.items()}, open_keys)
        else:
            OmegaConf.update(composed, key, value, merge=False, force_add=key.partition(".")[0] in open_keys)


def _check_key(key: str) -> None:
    if not re.fullmatch(r"[^.\[\]]+(\.[^.\[\]]+)*", key):
        raise QftError(f"There is no key '{visible(shortened(key))}'. Nested keys are written group.key.")


def _plain(key: str, value: Any, depth: int = 0) -> Any:
    """The value as yaml has it: paths as texts, sequences as lists, and no text an interpolation."""
    if depth > DEEPEST:
        raise QftError(f"{key} is nested too deeply, or holds itself.")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Integral):  # numpy's, too
        return int(value)
    if isinstance(value, Real):
        return float(value)
    if isinstance(value, str | os.PathLike):
        # OmegaConf reads ${...} in a text; a backslash before it says that it is meant as it stands
        return re.sub(r"(\\*)\$\{", lambda m: 2 * m[1] + r"\${", str(os.fspath(value)))
    if isinstance(value, list | tuple | range):
        return [_plain(key, item, depth + 1) for item in value]
    if isinstance(value, Mapping):
        return {str(name): _plain(f"{key}.{name}"[:LONGEST], item, depth + 1) for name, item in value.items()}
    raise QftError(f"{key}: a {type(value).__name__} cannot be an option; give numbers, texts, lists or mappings.")
