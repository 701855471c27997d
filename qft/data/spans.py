"""A row of tokens as text, cut where the loss starts and stops to count."""

from itertools import groupby
from typing import Any, NamedTuple

from qft.data.template import IGNORE


class Span(NamedTuple):
    """A stretch of text, its number of tokens, and whether they are learned."""

    text: str
    tokens: int
    learned: bool


def spans(row: dict[str, list[int]], tokenizer: Any) -> list[Span]:
    """The texts of one encoded row, special tokens included, in order."""
    out = []
    for learned, group in groupby(
        zip(row["input_ids"], row["labels"], strict=True), key=lambda pair: pair[1] != IGNORE
    ):
        ids = [token for token, _ in group]
        out.append(Span(tokenizer.decode(ids, skip_special_tokens=False), len(ids), learned))
    return out
