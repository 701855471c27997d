"""The methods of the adapter group as options, filled in for a model."""

from collections.abc import Sequence
from typing import Any

import yaml

from qft.compose import configs, trusted
from qft.errors import QftError, nearest
from qft.records import Plain


def every(model: Any) -> dict[str, Plain]:
    """Every method's yaml with the model's values filled in."""
    from omegaconf import OmegaConf

    methods = {}
    for name in configs.groups()["adapter"]:
        file = configs.find(f"adapter/{name}")
        content = configs.read(file) if file else OmegaConf.create()
        if "_target_" in content:
            both = OmegaConf.create({"model": model, "adapter": content})
            trusted.check_interpolations(both)
            resolved: Any = OmegaConf.to_container(both, resolve=True)
            methods[name] = {"name": name} | resolved["adapter"]
    return methods


def named(model: Any, wanted: Sequence[str]) -> dict[str, Plain]:
    """Methods with options of their own, by what they were called: ``qwthn``, ``lora:r=1``, ``qwthn:circuit=none``.

    Raises:
        QftError: There is no such method, or it has no such option.
    """
    known, chosen = every(model), {}
    for words in wanted:
        name, *options = words.split(":")
        if name not in known:
            raise QftError(f"methods={words}: there is no method '{name}'.{nearest(name, known)}")
        given = dict(option.partition("=")[::2] for option in options)
        if wrong := next((key for key in given if key not in known[name]), None):
            raise QftError(f"methods={words}: {name} has no option '{wrong}'.{nearest(wrong, known[name])}")
        try:
            chosen[words] = known[name] | {key: yaml.safe_load(text) for key, text in given.items()}
        except yaml.YAMLError as error:
            raise QftError(f"methods={words}: the value of an option cannot be read.") from error
    return chosen
