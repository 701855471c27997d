"""From a dataset's yaml and n to the three parts of a run, fingerprinted."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qft.data.datasets.base import Source
from qft.data.message import Sample
from qft.data.split import subset
from qft.errors import QftError


@dataclass(frozen=True)
class Parts:
    """Samples to train on, to validate on, to test on, and what a record says of them."""

    train: list[Sample]
    validation: list[Sample]
    test: list[Sample]
    record: dict[str, Any]


def split(source: Source, n: int, spec: Mapping[str, Any]) -> Parts:
    """Choose n samples of the pool; the subset does not depend on the run's seed."""
    if n > len(source.pool) and spec.get("rows"):
        raise QftError(
            f"n={n} is larger than the data: data.rows={spec['rows']} leaves {len(source.pool)} samples for training; "
            "data.rows=null uses them all."
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
        "counts": source.counts,
    }
    return Parts(train, validation, source.test, record)
