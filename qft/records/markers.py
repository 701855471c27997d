"""Markers, written last: what they stand beside is whole, with sizes and SHA-256 of its files."""

from dataclasses import dataclass
from typing import ClassVar

from qft.records.schema import Document

FileDigest = tuple[int, str]  # size in bytes, SHA-256


@dataclass
class Completion(Document):
    """The run is finished; files that training left."""

    FILE: ClassVar[str] = "COMPLETE"
    ADVICE: ClassVar[str] = "train again with overwrite=true"

    finished: str  # local time with its offset
    files: dict[str, FileDigest]  # file -> size in bytes and SHA-256


@dataclass
class Scoring(Document):
    """Answers and scores are whole; written after metrics.json."""

    FILE: ClassVar[str] = "SCORED"
    ADVICE: ClassVar[str] = "score again with qft score"

    scored: str  # local time with its offset
    files: dict[str, FileDigest]  # file -> size in bytes and SHA-256


@dataclass
class Divergence(Document):
    """Stands in place of COMPLETE where the loss became NaN or infinite; covers record and history."""

    FILE: ClassVar[str] = "DIVERGED"

    diverged: str  # local time with its offset
    reason: str  # in words
    files: dict[str, FileDigest]  # file -> size in bytes and SHA-256
