"""The contract of a dataset: a module of this folder with ``load`` and ``EXAMPLE``, plus one yaml.

``load(path=None, hub=None, rows=None, ...) -> Source`` reads a source and returns its samples in the order of the
source; for rows in files, ``qft.data.assemble`` does most of it. Further parameters are options of the yaml.
``EXAMPLE`` maps file names to their contents: a tiny source in the real layout, which the contract tests load; empty
for a set that is generated.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from qft.data.messages import Sample
from qft.data.rows import ALL
from qft.data.spool import lines
from qft.errors import QftError
from qft.names import shortened


@dataclass(frozen=True)
class Source:
    """What was read.

    Attributes:
        pool: The samples that training and validation are chosen from.
        test: The test set, which is never trained on.
        counts: Irregularity -> how often it occurred.
        left_out: Each row that could not become a sample, as "file, line: reason".
        usable: Every sample of the rows that ``rows`` selects, in the order of the source and with its duplicates:
            what a set for testing only tests on. Empty where that is the pool with the test set.
    """

    pool: Sequence[Sample]
    test: list[Sample]
    counts: dict[str, int] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    usable: Sequence[Sample] = ()

    def fingerprint(self) -> str:
        """SHA-256 over ids, texts and stated answers, in order: the same exactly where the data are the same."""
        digest = hashlib.sha256()
        for part in (self.pool, self.test):
            for text in lines(part):
                digest.update(text)
            digest.update(b"|")
        return digest.hexdigest()


def parse_rows(rows: str | None, option: str = "data.rows") -> slice:
    """``"0:1000"`` -> slice(0, 1000); None or ``":"`` -> all rows.

    Args:
        rows: START:STOP, positions in the source, from 0.
        option: Its name, for messages.

    Raises:
        QftError: It is not a range, or selects nothing.
    """
    if rows is None:
        return slice(None)
    start, colon, stop = str(rows).partition(":")
    given = f"{option}={shortened(str(rows))}"
    try:
        if not colon:
            raise ValueError
        first, last = int(start or 0), int(stop) if stop.strip() else None
    except ValueError:
        raise QftError(f"{given} is not a range; write START:STOP, such as {option}=0:1000.") from None
    if first < 0 or (last is not None and last <= first):
        raise QftError(f"{given} selects nothing; STOP must be larger than START, both from 0 up.")
    return slice(first, last)


def positions(rows: str | None, option: str = "data.rows") -> range:
    """``parse_rows`` as a range, which does not end where no STOP is given."""
    part = parse_rows(rows, option)
    stop = ALL.stop if part.stop is None else min(part.stop, ALL.stop)
    return range(min(part.start or 0, stop), stop)
