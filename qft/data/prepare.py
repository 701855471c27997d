"""From a dataset's yaml and n to the three parts of a run, fingerprinted."""

import hashlib
import inspect
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qft.data.datasets.base import Source
from qft.data.message import Sample
from qft.data.overlap import near_duplicates
from qft.data.split import subset
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


def overlong(spec: Mapping[str, Any]) -> str:
    """What a dataset's yaml says about texts above max_seq_len; QftError where it is no known way."""
    way = str(spec.get("overlong", "truncate"))
    if way not in OVERLONG:
        raise QftError(f"data.overlong={way} does not exist.{nearest(way, OVERLONG)}")
    return way
