"""Where a circuit layer is evaluated: one file a backend, found by its name."""

import importlib
import pkgutil
from typing import Any

from qft.errors import QftError, nearest
from qft.quantum.backends.base import Backend


def names() -> list[str]:
    """Names of the backends in this folder."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name != "base")


def load(name: str, **options: object) -> Backend:
    """Build the backend ``name`` (its file defines a class ``BACKEND``) with its own options."""
    return _class(name)(**options)


def transient(name: str) -> tuple[str, ...]:
    """The options of a backend that do not decide what comes out: where, how often, how long."""
    return _class(name).transient


def check_trains(name: str) -> None:
    """Refuse a backend that cannot train, whatever its options. Needs neither its address nor its key.

    Raises:
        QftError: There is no such backend, or it gives no gradient.
    """
    if not _class(name).trains:
        raise QftError(
            f"backend={name} gives no gradient, so it cannot train: train with backend=statevector or backend=noisy "
            f"and evaluate with qft eval backend={name}."
        )


def _class(name: str) -> Any:
    if name not in names():
        raise QftError(f"There is no backend '{name}'.{nearest(name, names())}")
    found = getattr(importlib.import_module(f"{__name__}.{name}"), "BACKEND", None)
    if not (isinstance(found, type) and issubclass(found, Backend)):
        raise QftError(f"backend={name} is none: its file defines no class BACKEND that is a Backend.")
    return found
