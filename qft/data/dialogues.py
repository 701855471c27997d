"""Which rows are one dialogue, and which ask the same: what keeps the parts of a data set apart.

A set may hold a dialogue row by row, each turn with all before it as its history::

    {"instruction": "我最近睡不好。", "output": "多久了？", "history": []}
    {"instruction": "两周了。", "output": "……", "history": [["我最近睡不好。", "多久了？"]]}

The second row continues the first: both are one dialogue, of which the longest row holds all.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import TypeVar

from qft.data.message import Sample

K = TypeVar("K")
_HALF_WIDTH = {0xFF01 + k: 0x21 + k for k in range(94)}  # ！ to ～, as Chinese texts write ! to ~


def normalised(text: str) -> str:
    """The text without regard to the length of white space, case, and full-width forms of ASCII characters."""
    return " ".join(text.translate(_HALF_WIDTH).casefold().split())


def question(sample: Sample) -> str:
    """All the user says, normalised: two samples with the same belong on one side of every split."""
    return "\0".join(normalised(m.content) for m in sample.messages if m.role == "user")


def beginnings(texts: Sequence[str]) -> list[bytes]:
    """A digest of each beginning of a dialogue that ends on an answer, the last being of the whole.

    ``texts``: question, answer, question, ..., compared without regard to white space.
    """
    digest = hashlib.blake2b(digest_size=16)
    found = []
    for k, text in enumerate(texts):
        digest.update(f"{' '.join(text.split())}\0".encode())
        if k % 2:
            found.append(digest.digest())
    return found


def longest(dialogues: Mapping[K, Sequence[bytes]]) -> set[K]:
    """Of rows by their ``beginnings`` those that no other row continues."""
    continued = {start for starts in dialogues.values() for start in starts[:-1]}
    return {k for k, starts in dialogues.items() if not starts or starts[-1] not in continued}
