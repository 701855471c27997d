"""Origin's pyqpanda3, imported when it is first needed: it takes a second to load, and not every system has it."""

import importlib
from typing import Any

from qft.errors import QftError


def load(module: str, backend: str) -> Any:
    """The module ``pyqpanda3.MODULE``; its stubs name nothing, hence Any.

    Raises:
        QftError: ``backend`` needs pyqpanda3, and it is not installed or does not load.
    """
    try:
        importlib.import_module("pyqpanda3")
        return importlib.import_module(f"pyqpanda3.{module}")
    except ImportError as error:
        raise QftError(
            f"backend={backend} needs pyqpanda3, which comes with qft on Linux and Windows (x86-64); on Apple silicon "
            f"try pip install 'pyqpanda3>=0.5.1,<0.6' ({error})."
        ) from None
