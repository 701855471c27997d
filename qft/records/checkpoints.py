"""Checkpoints to resume from, and the digests that tell a whole file from a damaged one."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from qft.errors import QftError
from qft.records.jsonfile import read_json, write_json
from qft.records.markers import FileDigest
from qft.records.schema import Document, Misfit, from_json

MARKER = "QFT_COMPLETE.json"


@dataclass
class CircuitCount(Document):
    """circuits_K.json of a checkpoint: what process K had evaluated by then; the next shots depend on it."""

    circuits: int


def mark_checkpoint(checkpoint: Path) -> None:
    """Declare a checkpoint complete: sizes and SHA-256 of its files, written last."""
    write_json(checkpoint / MARKER, digests(checkpoint))


def newest_checkpoint(folder: Path, before: int | None = None) -> Path | None:
    """The newest checkpoint whose marker agrees with its files; others are half-written and ignored.

    ``before``: only those of an earlier step than this.
    """
    numbered = []
    for path in folder.glob("checkpoint-*"):
        number = path.name.rpartition("-")[2]
        early = number.isdigit() and (before is None or int(number) < before)
        if early and (path / MARKER).is_file():
            numbered.append((int(number), path))
    for _, path in sorted(numbered, reverse=True):
        try:
            if from_json(dict[str, FileDigest], read_json(path / MARKER)) == digests(path):
                return path
        except (QftError, Misfit):
            continue
    return None


def digests(folder: Path) -> dict[str, FileDigest]:
    """Size and SHA-256 of each file below a directory, by its path from there."""
    files = (f for f in sorted(folder.rglob("*")) if f.is_file() and f.name != MARKER and not f.name.endswith(".tmp"))
    return {str(file.relative_to(folder)): digest(file) for file in files}


def digest(file: Path) -> FileDigest:
    """Size and SHA-256."""
    with file.open("rb") as stream:
        return file.stat().st_size, hashlib.file_digest(stream, "sha256").hexdigest()
