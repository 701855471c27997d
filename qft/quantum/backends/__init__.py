"""Where a circuit layer is evaluated: one file a backend, found by its name."""

import importlib
import pkgutil

from qft.errors import QftError, nearest
from qft.quantum.backends.base import Backend


def names() -> list[str]:
    """Names of the backends in this folder."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name != "base")


def load(name: str, **options: object) -> Backend:
    """Build the backend ``name`` (its file defines a class ``BACKEND``) with its own options."""
    if name not in names():
        raise QftError(f"There is no backend '{name}'.{nearest(name, names())}")
    return importlib.import_module(f"{__name__}.{name}").BACKEND(**options)
