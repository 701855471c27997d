"""Clients of quantum clouds, one file a vendor, found by the name of its backend."""

import importlib

from qft.errors import QftError
from qft.quantum.hardware.clients.base import Client


def of(backend: str) -> type[Client]:
    """The client of a backend that sends jobs.

    Args:
        backend: Its name, which is that of a file of this folder.

    Raises:
        QftError: The backend has no client.
    """
    try:
        module = importlib.import_module(f"{__name__}.{backend}")
    except ModuleNotFoundError:
        raise QftError(f"backend={backend} has no client: qft/quantum/hardware/clients/{backend}.py.") from None
    client = vars(module).get("CLIENT")
    if not (isinstance(client, type) and issubclass(client, Client)):
        raise QftError(f"qft/quantum/hardware/clients/{backend}.py must name its class CLIENT, a subclass of Client.")
    return client
