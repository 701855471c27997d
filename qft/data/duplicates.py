"""Which samples are the same: what keeps the parts of a data set apart.

A set may hold a dialogue row by row, each turn with all before it as its history::

    {"instruction": "我最近睡不好。", "output": "多久了？", "history": []}
    {"instruction": "两周了。", "output": "……", "history": [["我最近睡不好。", "多久了？"]]}

The second row continues the first: both are one dialogue, of which the longest row holds all.

Near-duplicates are samples whose questions are mostly the same words. The units of a question (all the user says) are
its Chinese characters and, in other writing, its words; punctuation does not count. G is the set of its runs of 13
units; a question of fewer than 13 is one run. Runs that more than 100 samples of validation and test share are set
phrases, such as an instruction before every problem, and are left out of G. Two samples are
near-duplicates where::

    |G(a) & G(b)| >= 0.5 * min(|G(a)|, |G(b)|) > 0
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from qft.data.messages import Sample
from qft.progress import bar

K = TypeVar("K")
RUN = 13  # units
SHARE = 0.5  # of the runs of the shorter question
COMMON = 100  # samples that share a run before it is a set phrase
_UNIT = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]|[^\W_\u3400-\u4dbf\u4e00-\u9fff]+")
_HALF_WIDTH = {0xFF01 + k: 0x21 + k for k in range(94)}  # full-width ！ to ～ -> ! to ~


def normalised(text: str) -> str:
    """The text in lower case, with single spaces and ASCII in place of full-width characters."""
    return " ".join(text.translate(_HALF_WIDTH).casefold().split())


def question(sample: Sample) -> str:
    """All the user says, normalised. Samples with the same question must be on the same side of every split."""
    return "\0".join(normalised(m.content) for m in sample.messages if m.role == "user")


def prefixes(texts: Sequence[str]) -> list[bytes]:
    """A digest of each prefix of a dialogue that ends on an answer; the last is of the whole.

    ``texts``: question, answer, question, ..., compared without regard to white space.
    """
    digest = hashlib.blake2b(digest_size=16)
    digests = []
    for k, text in enumerate(texts):
        digest.update(f"{' '.join(text.split())}\0".encode())
        if k % 2:
            digests.append(digest.digest())
    return digests


def longest(dialogues: Mapping[K, Sequence[bytes]]) -> set[K]:
    """The keys of the rows that no other row continues, from the ``prefixes`` of each."""
    continued = {start for starts in dialogues.values() for start in starts[:-1]}
    return {k for k, starts in dialogues.items() if not starts or starts[-1] not in continued}


def near_duplicates(train: Sequence[Sample], validation: Sequence[Sample], test: Sequence[Sample]) -> dict[str, int]:
    """How many samples of one part have a near-duplicate in another: ``{"test near training": 3, ...}``.

    Time grows with the length of all texts, memory with that of validation and test. 170,000 problems take less than
    a minute.
    """
    index: dict[int, list[int]] = {}
    for k, sample in enumerate([*validation, *test]):
        for run in _runs(sample):
            index.setdefault(run, []).append(k)
    common = {run for run, places in index.items() if len(places) > COMMON}
    for run in common:
        del index[run]
    sizes = Counter(k for places in index.values() for k in places)

    def near_to(others: Iterable[Sample]) -> set[int]:
        near: set[int] = set()
        for sample in others:
            runs = _runs(sample) - common
            shared = Counter(k for run in runs & index.keys() for k in index[run])
            near.update(k for k, number in shared.items() if number >= SHARE * min(sizes[k], len(runs)))
        return near

    to_training, to_validation = near_to(bar(train, "samples compared")), near_to(validation)
    tested = range(len(validation), len(validation) + len(test))
    return {
        "validation near training": sum(k not in tested for k in to_training),
        "test near training": sum(k in tested for k in to_training),
        "test near validation": sum(k in tested for k in to_validation),
    }


def _runs(sample: Sample) -> set[int]:
    """Hashes of the runs, comparable within this process only."""
    return runs(question(sample))


def runs(text: str) -> set[int]:
    """Hashes of the runs of 13 units of a normalised text, comparable within this process only."""
    units = _UNIT.findall(text)
    if not units:
        return set()
    return {hash(tuple(units[k : k + RUN])) for k in range(max(1, len(units) - RUN + 1))}
