"""Nested, seeded subsets: the 300 lie within the 600, on every machine."""

import hashlib
from collections.abc import Sequence

from qft.data.message import Sample
from qft.errors import QftError


def subset(pool: Sequence[Sample], n: int, seed: int = 0) -> tuple[list[Sample], list[Sample]]:
    """Choose ``n`` samples and return ``(training, validation)``, 90 % and 10 %.

    Samples are ordered by SHA-256 of (seed, id), so neither the order of files nor a library's random
    generator matters. Every tenth of that order is validation: both parts of n=300 lie within those of
    n=600. Fewer than ten samples still leave one for validation. Raises QftError for n < 2 or n larger
    than the pool.
    """
    if n < 2:
        raise QftError(f"n={n} is too small; at least 2 samples are needed (one to train on, one to validate).")
    if n > len(pool):
        raise QftError(f"n={n} is larger than the data: {len(pool)} samples are available for training.")
    ordered = sorted(pool, key=lambda s: hashlib.sha256(f"{seed}|{s.id}".encode()).digest())[:n]
    validation = ordered[9::10] or ordered[-1:]
    held = {s.id for s in validation}
    return [s for s in ordered if s.id not in held], validation
