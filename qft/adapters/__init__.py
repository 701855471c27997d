"""Adapters as PEFT tuners. Importing this package registers every method of this folder with PEFT."""

import importlib
import pkgutil

from qft.adapters.config import QftConfig
from qft.adapters.layer import QftLayer
from qft.adapters.tuner import QftTuner

METHODS: dict[str, type[QftConfig]] = {}
for _module in sorted(m.name for m in pkgutil.iter_modules(__path__)):
    _config = vars(importlib.import_module(f"{__name__}.{_module}")).get("CONFIG")
    if _config is not None:
        METHODS[_config.method] = _config
        globals()[_config.__name__] = _config

__all__ = ["METHODS", "QftConfig", "QftLayer", "QftTuner", *(c.__name__ for c in METHODS.values())]
