"""The contract of a dataset: a module of this folder with ``load`` and ``EXAMPLE``, plus one yaml.

``load(path=None, hub=None, rows=None, **own options) -> Source`` reads a source and returns its
samples in the source's own order; where that is rows of files, ``qft.data.assemble`` does most of it.
``EXAMPLE`` maps file names to their contents: a tiny source in the real layout, empty for a set that is
generated; the contract tests load it.
"""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from qft.data.messages import Sample
from qft.data.rows import ALL
from qft.errors import QftError
from qft.names import shortened


@dataclass(frozen=True)
class Source:
    """What was read. ``counts`` names each irregularity met and how often; ``test`` is never trained on.

    ``left_out``: each row that became no sample, as "file, line: reason".
    """

    pool: list[Sample]
    test: list[Sample]
    counts: dict[str, int] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    def fingerprint(self) -> str:
        """SHA-256 over ids, texts and stated answers, in order: equal exactly when the same data would be used."""
        digest = hashlib.sha256()
        for part in (self.pool, self.test):
            for s in part:
                row: list[Any] = [s.id, [[m.role, m.content, m.reasoning] for m in s.messages]]
                row += [] if s.answer is None else [s.answer]
                digest.update(json.dumps(row, ensure_ascii=False).encode())
            digest.update(b"|")
        return digest.hexdigest()


def parse_rows(rows: str | None, option: str = "data.rows") -> slice:
    """``"0:1000"`` -> slice(0, 1000); None or ``":"`` -> everything. Positions count source rows."""
    if rows is None:
        return slice(None)
    start, colon, stop = str(rows).partition(":")
    said = f"{option}={shortened(str(rows))}"
    try:
        if not colon:
            raise ValueError
        first, last = int(start or 0), int(stop) if stop.strip() else None
    except ValueError:
        raise QftError(f"{said} is not a range; write START:STOP, such as {option}=0:1000.") from None
    if first < 0 or (last is not None and last <= first):
        raise QftError(f"{said} selects nothing; STOP must be larger than START, both from 0 up.")
    return slice(first, last)


def positions(rows: str | None, option: str = "data.rows") -> range:
    """The same as a range; it has no end where no STOP is given."""
    chosen = parse_rows(rows, option)
    stop = ALL.stop if chosen.stop is None else min(chosen.stop, ALL.stop)
    return range(min(chosen.start or 0, stop), stop)
