"""Where a circuit layer is evaluated: one file a backend, found by its name."""

import importlib
import pkgutil

from qft.errors import QftError, nearest
from qft.quantum.backends.base import Backend


def names() -> list[str]:
    """Names of the backends in this folder."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name != "base")


def load(name: str, **options: object) -> Backend:
    """Build a backend.

    Args:
        name: Its file in this folder, which names its class ``BACKEND``.
        options: Those of the class, as its yaml lists them.

    Raises:
        QftError: There is no such backend, or its options make no sense.
    """
    return _class(name)(**options)


def transient(name: str) -> tuple[str, ...]:
    """The options of a backend that do not decide results. Raises QftError where there is no such backend."""
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


def _class(name: str) -> type[Backend]:
    if name not in names():
        raise QftError(f"There is no backend '{name}'.{nearest(name, names())}")
    backend = vars(importlib.import_module(f"{__name__}.{name}")).get("BACKEND")
    if not (isinstance(backend, type) and issubclass(backend, Backend)):
        raise QftError(f"qft/quantum/backends/{name}.py must name its class BACKEND, and the class must be a Backend.")
    return backend
