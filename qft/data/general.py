"""General text: what a base can predict before it is fine-tuned, and should still predict afterwards.

A real text of ``prose`` (shortened)::

    "Paper was made from rags for most of its history. Old shirts were sorted by colour, soaked, ..."

prose   24 English and 16 Chinese paragraphs written for this project, on everyday subjects
demo    stories and letters of the kind that the demo model was pre-trained on, none of which it has seen
a file  texts apart by blank lines (.txt), or the column ``text`` of rows (.jsonl, .json, .csv, .parquet)
"""

import hashlib
import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from qft.data.demo import prose
from qft.data.files import SUFFIXES, locate, open_data
from qft.data.rows import decode, read_rows
from qft.errors import QftError

OPTION = "evaluation.forgetting"
EXPECTED = "prose, demo, or a file of texts (.txt, .jsonl, .json, .csv, .parquet)"
DEMO_COUNT = 80  # texts, half in each language


@dataclass(frozen=True)
class GeneralText:
    """Texts, and the SHA-256 over all of them, in order."""

    texts: tuple[str, ...]

    @property
    def sha256(self) -> str:
        return hashlib.sha256(json.dumps(self.texts, ensure_ascii=False).encode()).hexdigest()


def read(name: str) -> GeneralText:
    """The texts that ``evaluation.forgetting`` names.

    Args:
        name: prose, demo, or the path of a file.

    Raises:
        QftError: There is no such file, it cannot be read, or it holds no text.
    """
    if name in SHIPPED:
        return GeneralText(SHIPPED[name]())
    path = locate(name, EXPECTED, OPTION)
    if path.is_dir() or path.suffix not in (".txt", *SUFFIXES):
        raise QftError(f"{OPTION}={name} is no file of texts; give {EXPECTED}.")
    texts = _paragraphs(_text(path)) if path.suffix == ".txt" else tuple(_column(path))
    if not texts:
        raise QftError(f"{path} holds no text.")
    return GeneralText(texts)


def _paragraphs(text: str) -> tuple[str, ...]:
    parts = (part.strip() for part in re.split(r"\n\s*\n", text.replace("\r\n", "\n")))
    return tuple(part for part in parts if part)


def _text(path: Path) -> str:
    with open_data(path) as file:
        return decode(file.read(), path)


def _column(path: Path) -> list[str]:
    texts = []
    for row in read_rows(path):
        row.require("text")
        if text := row.text("text").strip():
            texts.append(text)
    return texts


def _prose() -> tuple[str, ...]:
    file = resources.files("qft.data") / "texts" / "prose.txt"
    return _paragraphs(file.read_text(encoding="utf-8"))


@cache
def _demo() -> tuple[str, ...]:
    rng = random.Random("demo-general-0")  # pre-training drew from another seed; a test holds the texts apart
    kinds = (prose.story, prose.letter)
    texts: dict[str, None] = {}
    while len(texts) < DEMO_COUNT:
        k = len(texts)
        texts[kinds[k // 2 % len(kinds)](rng, ("en", "zh")[k % 2])] = None
    return tuple(texts)


SHIPPED: dict[str, Callable[[], tuple[str, ...]]] = {"prose": _prose, "demo": _demo}
