"""The type of ``COMMAND``, which every command's file defines. A new command is one file here and one
yaml of the same name.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Command:
    """A command of ``qft``. Its file's docstring is its help; ``USAGE`` in it, a text, is what its words mean.

    Attributes:
        config: The dataclass that ``configs/NAME.yaml`` is composed into.
        run: Does it.
        arguments: Turns words of its own (``qft eval DIR``) into overrides (``run='DIR'``).
    """

    config: type[Any]
    run: Callable[[Any], None]
    arguments: Callable[[list[str]], list[str]] = list
