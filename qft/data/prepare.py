"""From a dataset's yaml and n to the three parts of a run, fingerprinted."""

import hashlib
import inspect
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qft.data.datasets.base import Source
from qft.data.duplicates import near_duplicates, question
from qft.data.messages import Sample
from qft.errors import QftError, nearest
from qft.trust import Family, build

log = logging.getLogger(__name__)

STATED = ("metrics", "overlong")  # keys of a dataset's yaml that are no options of its load()
OVERLONG = ("truncate", "drop", "error")
NAMED = 5  # rows left out that are named one by one


@dataclass(frozen=True)
class Parts:
    """Samples to train on, to validate on, to test on, and what a record says of them."""

    train: list[Sample]
    validation: list[Sample]
    test: list[Sample]
    record: dict[str, Any]


def _loads(found: Any) -> bool:
    """Whether this is a function that says it returns a Source."""
    return inspect.isfunction(found) and found.__annotations__.get("return") in (Source, "Source")


DATASET = Family("a dataset: a function that says it returns a Source", "data", _loads)


def load(spec: Mapping[str, Any]) -> Source:
    """Read the source a dataset's yaml describes. Raises QftError for a ``_target_`` that is no dataset of ours."""
    return build(DATASET, spec, leave_out=STATED)


def split(source: Source, n: int, spec: Mapping[str, Any]) -> Parts:
    """Choose n samples of the pool; the subset does not depend on the run's seed."""
    for place in source.left_out[:NAMED]:
        log.warning("left out: %s", place)
    if (more := len(source.left_out) - NAMED) > 0:
        log.warning("left out: %d rows more; qft data names them all", more)
    if n > len(source.pool) and spec.get("rows"):
        raise QftError(
            f"n={n} is larger than the data: data.rows={spec['rows']} leaves {len(source.pool)} samples for training; "
            "a larger range or data.rows=null gives more."
        )
    train, validation = subset(source.pool, n)
    chosen = hashlib.sha256("\n".join(s.id for s in [*train, *validation]).encode()).hexdigest()
    record = {
        "name": spec["name"],
        "fingerprint": source.fingerprint(),
        "subset": chosen,
        "n": n,
        "train": len(train),
        "validation": len(validation),
        "test": len(source.test),
        "available": len(source.pool),
        "near_duplicates": near_duplicates(train, validation, source.test),
        "counts": source.counts,
        "left_out": source.left_out[:1000],
    }
    return Parts(train, validation, source.test, record)


def subset(pool: Sequence[Sample], n: int, seed: int = 0) -> tuple[list[Sample], list[Sample]]:
    """Choose ``n`` samples and return ``(training, validation)``, 90 % and 10 %.

    Samples are ordered by SHA-256 of (seed, id), so neither the order of files nor a library's random
    generator matters. Every tenth of that order is validation, but a sample with the question of an earlier one
    goes where that one is: both parts of n=300 lie within those of n=600. Where that leaves nothing to validate
    on (fewer than ten samples), the last question does. Raises QftError for n < 2 or n larger than the pool,
    and where all ask the same.
    """
    if n < 2:
        raise QftError(f"n={n} is too small; at least 2 samples are needed (one to train on, one to validate).")
    if n > len(pool):
        raise QftError(f"n={n} is larger than the data: {len(pool)} samples are available for training.")
    ordered = sorted(pool, key=lambda s: hashlib.sha256(f"{seed}|{s.id}".encode()).digest())[:n]
    asked = [question(s) for s in ordered]
    validated: dict[str, bool] = {}
    for place, words in enumerate(asked):
        validated.setdefault(words, place % 10 == 9)
    if not any(validated.values()):
        validated[asked[-1]] = True
    if all(validated.values()):
        raise QftError(f"The {n} samples all ask the same, which cannot be trained on and validated; give more data.")
    parts: tuple[list[Sample], list[Sample]] = [], []
    for sample, words in zip(ordered, asked, strict=True):
        parts[validated[words]].append(sample)
    return parts


def overlong(spec: Mapping[str, Any]) -> str:
    """What a dataset's yaml says about texts above max_seq_len; QftError where it is no known way."""
    way = str(spec.get("overlong", "truncate"))
    if way not in OVERLONG:
        raise QftError(f"data.overlong={way} does not exist.{nearest(way, OVERLONG)}")
    return way
