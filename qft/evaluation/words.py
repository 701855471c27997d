"""Words of a text: ``words("我今天很高兴。") -> ["我", "今天", "很", "高兴"]``; how many two texts share in order."""

import functools
from collections.abc import Iterable, Sequence
from typing import Any

BLOCK = 8192  # words; at most BLOCK masks of BLOCK bits, 8 MB, are held at a time


def has_cjk(texts: Iterable[str]) -> bool:
    """Whether any of the texts holds a Chinese character (a unified ideograph or one of extension A)."""
    return any("\u3400" <= c <= "\u4dbf" or "\u4e00" <= c <= "\u9fff" for text in texts for c in text)


def words(text: str) -> list[str]:
    """Lower-case words as jieba cuts them, without those that hold no letter or digit (punctuation, spaces)."""
    return [w for w in cut(text.lower()) if any(c.isalnum() for c in w)]


def cut(text: str) -> list[str]:
    """All words of a text as ``jieba.cut`` gives them, with punctuation and spaces."""
    pieces: list[str] = _cutter().lcut(text)
    return pieces


@functools.cache
def _cutter() -> Any:
    import jieba

    # jieba's usual start-up logs to standard error and caches its dictionary as a marshal file in the shared
    # temporary folder, where anyone may have put one. Reading the packaged dictionary takes about a second.
    cutter = jieba.Tokenizer()
    cutter.FREQ, cutter.total = cutter.gen_pfdict(cutter.get_dict_file())
    cutter.initialized = True
    return cutter


def common_length(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest common subsequence: how many words the two share in the same order; gaps are allowed.

    Bit-parallel (Hyyrö 2004): bit i of V is 0 where the number of matches grows at word i of the first list. For each
    word of the second, M marking its places in the first::

        V <- (V + (V & M)) | (V & ~M),   and in the end the length is the number of zero bits of V

    V is kept in blocks of ``BLOCK`` bits, each taken through the whole second list; the bits that the addition carries
    out of a block are kept for the next one. Time grows with len(first) * len(second) / BLOCK steps of about a
    microsecond, memory with their sum.
    """
    whole = (1 << BLOCK) - 1
    carries = bytes(len(second))
    matched = 0
    for start in range(0, len(first), BLOCK):
        masks: dict[str, int] = {}
        for k, word in enumerate(first[start : start + BLOCK]):
            masks[word] = masks.get(word, 0) | 1 << k
        carried = bytearray(len(second))
        v = whole
        for k, word in enumerate(second):
            matches = masks.get(word, 0)
            if not matches and not carries[k]:
                continue
            grows = v & matches
            total = v + grows + carries[k]
            carried[k] = total >> BLOCK
            v = total & whole | v ^ grows
        carries = bytes(carried)
        matched += BLOCK - v.bit_count()
    return matched
