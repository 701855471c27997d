"""A bar on the terminal for what takes longer than two seconds."""

import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")
DELAY = 2.0  # seconds


def bar(items: Iterable[T], title: str, unit: str = "") -> Iterable[T]:
    """The items as they are; on standard error, where it is a terminal, how many of them are through."""
    file, unit = sys.stderr, f" {unit}".rstrip()
    return tqdm(items, title, file=file, disable=not file.isatty(), leave=False, delay=DELAY, unit=unit)
