"""Length of the longest common subsequence of two lists of words, in linear memory.

Bit-parallel (Hyyrö 2004): bit i of V is 0 where the number of matches grows at word i of the first list. For each
word of the second, M marking its places in the first::

    V <- (V + (V & M)) | (V & ~M),   and in the end the length is the number of zero bits of V

V is kept in blocks of ``BLOCK`` bits, each taken through the whole second list; the bits that the addition carries
out of a block are kept for the next one.
"""

from collections.abc import Sequence

BLOCK = 8192  # words; at most BLOCK masks of BLOCK bits, 8 MB, are held at a time


def length(first: Sequence[str], second: Sequence[str]) -> int:
    """How many words the two have in common in the same order; gaps are allowed.

    Time grows with len(first) * len(second) / BLOCK steps of about a microsecond, memory with their sum.
    """
    whole = (1 << BLOCK) - 1
    carries = bytes(len(second))
    found = 0
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
        found += BLOCK - v.bit_count()
    return found
