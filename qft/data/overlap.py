"""Near-duplicates between the parts of a data set: samples whose questions are mostly the same words.

The units of a question (all the user says, see ``qft.data.dialogues``) are its Chinese characters and, in other
writing, its words; punctuation is none. G is the set of its runs of 13 units; a question of fewer than 13 is one run,
the whole. Runs that more than 100 samples of validation and test share are set phrases, such as an instruction that
stands before every problem, and are left out of G. Two samples are near-duplicates where::

    |G(a) & G(b)| >= 0.5 * min(|G(a)|, |G(b)|) > 0
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from qft.data.dialogues import question
from qft.data.message import Sample
from qft.progress import bar

RUN = 13
SHARE = 0.5
COMMON = 100
_UNIT = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]|[^\W_\u3400-\u4dbf\u4e00-\u9fff]+")


def near_duplicates(train: Sequence[Sample], validation: Sequence[Sample], test: Sequence[Sample]) -> dict[str, int]:
    """How many samples of one part have a near-duplicate in another: ``{"test near training": 3, ...}``.

    Time grows with the text of all, memory with that of validation and test (170,000 problems: less than a minute).
    """
    index: dict[int, list[int]] = {}
    for k, sample in enumerate([*validation, *test]):
        for run in _runs(sample):
            index.setdefault(run, []).append(k)
    common = {run for run, places in index.items() if len(places) > COMMON}
    for run in common:
        del index[run]
    sizes = Counter(k for places in index.values() for k in places)

    def found(others: Iterable[Sample]) -> set[int]:
        near: set[int] = set()
        for sample in others:
            runs = _runs(sample) - common
            shared = Counter(k for run in runs & index.keys() for k in index[run])
            near.update(k for k, number in shared.items() if number >= SHARE * min(sizes[k], len(runs)))
        return near

    of_training, of_validation = found(bar(train, "samples compared")), found(validation)
    tested = range(len(validation), len(validation) + len(test))
    return {
        "validation near training": sum(k not in tested for k in of_training),
        "test near training": sum(k in tested for k in of_training),
        "test near validation": sum(k in tested for k in of_validation),
    }


def _runs(sample: Sample) -> set[int]:
    """Hashes of the runs, good within this process."""
    units = _UNIT.findall(question(sample))
    if not units:
        return set()
    return {hash(tuple(units[k : k + RUN])) for k in range(max(1, len(units) - RUN + 1))}
