"""Nested, seeded subsets: the 300 lie within the 600, on every machine, and no question lies in both parts."""

import hashlib
from collections.abc import Sequence

from qft.data.dialogues import question
from qft.data.message import Sample
from qft.errors import QftError


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
