"""From a dataset's yaml and n to the samples of a run: training, validation, test and held out, fingerprinted."""

import hashlib
import inspect
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qft.data import heldout
from qft.data.datasets.base import Source
from qft.data.duplicates import near_duplicates, question
from qft.data.messages import Sample
from qft.data.spool import chosen, ids
from qft.errors import QftError, nearest
from qft.ranges import Range, check_one
from qft.trust import Family, build

log = logging.getLogger(__name__)

STATED = (
    "metrics",
    "overlong",
    "heldout",
    "margin",
    "searched",
    "split",
    "subset",
)  # keys of a dataset's yaml that are not options of its load()
OVERLONG = ("truncate", "drop", "error")
SPLITS = (None, "test")
HELD_OUT = "held out"
NAMED = 5  # rows left out that are logged one by one


@dataclass(frozen=True)
class Summary:
    """What is recorded of the data of a run.

    Attributes:
        name: Of the dataset.
        fingerprint: SHA-256 of everything that was read (``Source.fingerprint``).
        subset: SHA-256 of the ids of training and validation.
        n: Samples that were requested.
        train: Number of samples to train on.
        validation: Number of samples to validate on.
        test: Number of samples to test on.
        heldout: Number of held-out samples, on which methods are compared.
        heldout_rows: SHA-256 of the digests of the held-out samples.
        margin: Losses closer than this, in nats a token, are equal; None where the dataset states none.
        available: Samples that the n were chosen from.
        near_duplicates: Pair of parts -> samples of one with a near-duplicate in the other.
        counts: Irregularity -> how often it occurred.
        left_out: Rows that could not become a sample, with the reason (the first 1000).
    """

    name: str
    fingerprint: str
    subset: str
    n: int
    train: int
    validation: int
    test: int
    heldout: int
    heldout_rows: str
    margin: float | None
    available: int
    near_duplicates: dict[str, int]
    counts: dict[str, int]
    left_out: list[str]


@dataclass(frozen=True)
class Parts:
    """Samples to train on, to validate on, to test on, those held out, and a summary of them."""

    train: list[Sample]
    validation: list[Sample]
    test: list[Sample]
    heldout: list[Sample]
    summary: Summary

    def named(self) -> dict[str, list[Sample]]:
        """The parts by the names that people read."""
        return {"training": self.train, "validation": self.validation, "test": self.test, HELD_OUT: self.heldout}


def _loads(target: Any) -> bool:
    """Whether this is a function that says it returns a Source."""
    return inspect.isfunction(target) and target.__annotations__.get("return") in (Source, "Source")


DATASET = Family("a dataset: a function that says it returns a Source", "data", _loads)


def load(spec: Mapping[str, Any]) -> Source:
    """Read the source that a dataset's yaml describes.

    Raises:
        QftError: Its ``_target_`` is not a dataset that may be loaded, an option is unknown, or the data cannot be
            read.
    """
    source: Source = build(DATASET, spec, leave_out=STATED)
    return source


def split(source: Source, n: int, spec: Mapping[str, Any]) -> Parts:
    """Choose the samples of a run. They do not depend on its seed.

    Args:
        source: As ``load`` returns it.
        n: Samples for training and validation together.
        spec: The dataset's yaml.

    Raises:
        QftError: n is larger than the pool, ``subset`` refuses it, or the yaml's ``heldout``,
            ``searched``, ``split`` or ``margin`` is none.
    """
    size, margin = heldout.size(spec), heldout.margin(spec)
    for place in source.left_out[:NAMED]:
        log.warning("left out: %s", place)
    if (more := len(source.left_out) - NAMED) > 0:
        log.warning("left out: %d rows more; qft data names them all", more)
    if only_test(spec):
        return _all_test(source, n, spec["name"], margin)
    if n > len(source.pool) and spec.get("rows"):
        raise QftError(
            f"n={n} is larger than the data: data.rows={spec['rows']} leaves {len(source.pool)} samples for training; "
            "a larger range or data.rows=null gives more."
        )
    held_out = heldout.held_out(_ordered(source.pool), max(n, heldout.searched(spec)), size)
    which = spec.get("subset", 0)
    check_one("data.subset", which, Range(at_least=0), whole=True)
    train, validation = another_subset(source.pool, n, held_out, which) if which else subset(source.pool, n)
    near = near_duplicates(train, validation, source.test)
    near["held out near training"] = near_duplicates(train, held_out, [])["validation near training"]
    summary = Summary(
        name=spec["name"],
        fingerprint=source.fingerprint(),
        subset=_sha256(s.id for s in [*train, *validation]),
        n=n,
        train=len(train),
        validation=len(validation),
        test=len(source.test),
        heldout=len(held_out),
        heldout_rows=_sha256(s.digest() for s in held_out),
        margin=margin,
        available=len(source.pool),
        near_duplicates=near,
        counts=source.counts,
        left_out=source.left_out[:1000],
    )
    return Parts(train, validation, source.test, held_out, summary)


def only_test(spec: Mapping[str, Any]) -> bool:
    """Whether every row of a set is a test row: ``split`` of its yaml is test. Raises QftError for anything else."""
    choice = spec.get("split")
    if choice not in SPLITS:
        raise QftError(f"data.split={choice} does not exist.{nearest(str(choice), ['test', 'null'])}")
    return choice == "test"


def _all_test(source: Source, n: int, name: str, margin: float | None) -> Parts:
    """A set to test with only; no row of it is trained or validated on."""
    test = list(source.usable) or sorted([*source.pool, *source.test], key=_place)
    summary = Summary(
        name=name,
        fingerprint=source.fingerprint(),
        subset=_sha256([]),
        n=n,
        train=0,
        validation=0,
        test=len(test),
        heldout=0,
        heldout_rows=_sha256([]),
        margin=margin,
        available=0,
        near_duplicates={},
        counts=source.counts,
        left_out=source.left_out[:1000],
    )
    return Parts([], [], test, [], summary)


def _place(sample: Sample) -> list[tuple[int, str]]:
    """Sorts by the numbers in the ids, as the rows of a source are counted."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", sample.id)]


def _sha256(names: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def _ordered(pool: Sequence[Sample], seed: int = 0) -> Sequence[Sample]:
    """The order that samples are taken in, by the SHA-256 of (seed, id)."""
    digests = b"".join(hashlib.sha256(f"{seed}|{name}".encode()).digest() for name in ids(pool))
    words = np.frombuffer(digests, dtype=">u8").reshape(-1, 4)
    return chosen(pool, np.lexsort(words.T[::-1]).tolist())


def subset(pool: Sequence[Sample], n: int, seed: int = 0) -> tuple[list[Sample], list[Sample]]:
    """Choose ``n`` samples and return ``(training, validation)``, 90 % and 10 %.

    Samples are ordered by the SHA-256 of (seed, id), so that neither the order of files nor a library's random
    generator matters. Every tenth of that order is validation, but a sample with the question of an earlier one goes
    where that one went: both parts of n=300 are within those of n=600. With fewer than ten samples the last question
    is validation.

    Raises:
        QftError: n is less than 2 or larger than the pool, or all samples ask the same question.
    """
    if n < 2:
        raise QftError(f"n={n} is too small; at least 2 samples are needed (one to train on, one to validate).")
    if n > len(pool):
        raise QftError(f"n={n} is larger than the data: {len(pool)} samples are available for training.")
    ordered = _ordered(pool, seed)[:n]
    questions = [question(s) for s in ordered]
    validated: dict[str, bool] = {}
    for place, text in enumerate(questions):
        validated.setdefault(text, place % 10 == 9)
    if not any(validated.values()):
        validated[questions[-1]] = True
    if all(validated.values()):
        raise QftError(f"The {n} samples all ask the same question, so none is left to validate on; give more data.")
    parts: tuple[list[Sample], list[Sample]] = [], []
    for sample, text in zip(ordered, questions, strict=True):
        parts[validated[text]].append(sample)
    return parts


def another_subset(
    pool: Sequence[Sample], n: int, held_out: Sequence[Sample], which: int
) -> tuple[list[Sample], list[Sample]]:
    """Other samples to train on and to validate on than ``subset`` chooses, beside the same held-out ones.

    Where the pool has enough, the ``which``-th n samples of its order: disjoint from those before. Else they are drawn
    by an order of their own, and overlap.

    Args:
        pool: All samples of the set but the test.
        n: Samples for training and validation together.
        held_out: What none of them may ask.
        which: From 1; 0 is ``subset``.

    Raises:
        QftError: There are no other samples than those of ``subset``, or ``subset`` refuses n.
    """
    asked = {question(s) for s in held_out}
    free = [s for s in _ordered(pool) if question(s) not in asked]
    if n >= len(free):
        raise QftError(f"data.subset={which}: n={n} takes all {len(free)} samples there are beside those held out.")
    if (which + 1) * n <= len(free):
        return subset(free[which * n : (which + 1) * n], n)
    return subset(free, n, seed=which)


def overlong(spec: Mapping[str, Any]) -> str:
    """What a dataset's yaml does with samples above max_seq_len: truncate, drop or error.

    Raises QftError for anything else.
    """
    choice = str(spec.get("overlong", "truncate"))
    if choice not in OVERLONG:
        raise QftError(f"data.overlong={choice} does not exist.{nearest(choice, OVERLONG)}")
    return choice
