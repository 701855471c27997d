"""Rows in chunks, so that what is held at a time fits the cache of a CPU, or fills a GPU."""

from collections.abc import Mapping

from torch import Tensor

FEWEST = 16  # rows of a chunk, however many numbers each needs


def in_chunks(*tensors: Tensor, numbers: int, at_once: Mapping[str, int]) -> list[tuple[Tensor, ...]]:
    """Split tensors (..., t) alike along their last axis, the rows.

    Args:
        tensors: All of t rows, on one device.
        numbers: How many numbers each row needs while it is worked on.
        at_once: Numbers to hold at a time, by type of device; "cpu" holds for what is not listed.
    """
    rows = max(FEWEST, at_once.get(tensors[0].device.type, at_once["cpu"]) // numbers)
    return list(zip(*(t.split(rows, -1) for t in tensors), strict=True))
