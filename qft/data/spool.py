"""Samples of a set that is too large for memory: written to a temporary file, read back one by one.

A line of the file is what the fingerprint of a source is made of::

    ["row_7", [["user", "2+2?", null], ["assistant", "4", null]]]
"""

import json
import tempfile
import weakref
from array import array
from collections.abc import Iterator, Sequence
from typing import IO, Any, overload

import numpy as np
from numpy.typing import NDArray

from qft.data.messages import Message, Sample
from qft.errors import QftError

LONGEST_ID = 200  # bytes, of which one is read
HELD = 64_000_000  # characters of text that are kept in memory


def line(sample: Sample) -> bytes:
    """A sample as JSON: id, turns and, where its source states one, the answer."""
    row: list[Any] = [sample.id, [[m.role, m.content, m.reasoning] for m in sample.messages]]
    row += [] if sample.answer is None else [sample.answer]
    return json.dumps(row, ensure_ascii=False).encode()


def _parsed(text: bytes) -> Sample:
    row = json.loads(text)
    return Sample(row[0], tuple(Message(*turn) for turn in row[1]), row[2] if len(row) > 2 else None)


class Spool:
    """Samples in the order in which they are added: in memory up to HELD characters, then in a temporary file."""

    def __init__(self) -> None:
        self._samples: list[Sample] = []
        self._characters = 0
        self._file: IO[bytes] | None = None
        self._ends = array("q", [0])

    def __len__(self) -> int:
        return len(self._ends) - 1 if self._file else len(self._samples)

    def add(self, sample: Sample) -> None:
        """Keep a sample. Raises QftError where the temporary file cannot be written."""
        if self._file is not None:
            self._write(sample)
            return
        self._samples.append(sample)
        self._characters += sum(len(m.content) + len(m.reasoning or "") for m in sample.messages)
        if self._characters > HELD:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115  # it is read as long as this object is there
            weakref.finalize(self, self._file.close)
            for each in self._samples:
                self._write(each)
            self._samples.clear()

    def samples(self, places: NDArray[np.int64]) -> Sequence[Sample]:
        """The samples at these places, in their order: a list, or read from the file one by one."""
        if self._file is None:
            return [self._samples[k] for k in places.tolist()]
        return SpooledSamples(self, places)

    def line(self, place: int) -> bytes:
        """What ``line`` makes of the sample at a place."""
        if self._file is None:
            return line(self._samples[place])
        start, end = self._ends[place], self._ends[place + 1]
        self._file.seek(start)
        return self._file.read(end - start)

    def name(self, place: int) -> str:
        """The id of the sample at a place."""
        if self._file is None:
            return self._samples[place].id
        self._file.seek(self._ends[place])
        start = self._file.read(LONGEST_ID).decode(errors="ignore")
        name: str = json.JSONDecoder().raw_decode(start, 1)[0]
        return name

    def _write(self, sample: Sample) -> None:
        assert self._file is not None
        text = line(sample)
        try:
            self._file.seek(self._ends[-1])
            self._file.write(text)
        except OSError as error:
            raise QftError(
                f"{tempfile.gettempdir()} cannot hold the rows ({error.strerror}), which are too many for memory; "
                "give fewer by data.rows, or another directory in TMPDIR."
            ) from error
        self._ends.append(self._ends[-1] + len(text))


class SpooledSamples(Sequence[Sample]):
    """Some samples of a spool, no two of which ask the same question; each is read when it is asked for."""

    def __init__(self, spool: Spool, places: NDArray[np.int64]) -> None:
        self._spool, self._places = spool, places

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> "SpooledSamples": ...
    def __getitem__(self, index: int | slice) -> "Sample | SpooledSamples":
        if isinstance(index, slice):
            return SpooledSamples(self._spool, self._places[index])
        return _parsed(self._spool.line(int(self._places[index])))

    def __iter__(self) -> Iterator[Sample]:
        return map(_parsed, self.lines())

    def lines(self) -> Iterator[bytes]:
        """What ``line`` makes of each."""
        return map(self._spool.line, self._places.tolist())

    def ids(self) -> Iterator[str]:
        """The id of each."""
        return map(self._spool.name, self._places.tolist())

    def chosen(self, places: Sequence[int]) -> "SpooledSamples":
        """Those at these places, in their order."""
        return SpooledSamples(self._spool, self._places[np.asarray(places, dtype=np.int64)])


def lines(samples: Sequence[Sample]) -> Iterator[bytes]:
    """What ``line`` makes of each sample."""
    return samples.lines() if isinstance(samples, SpooledSamples) else map(line, samples)


def ids(samples: Sequence[Sample]) -> Iterator[str]:
    """The id of each sample."""
    return samples.ids() if isinstance(samples, SpooledSamples) else (sample.id for sample in samples)


def chosen(samples: Sequence[Sample], places: Sequence[int]) -> Sequence[Sample]:
    """The samples at these places, in their order."""
    return samples.chosen(places) if isinstance(samples, SpooledSamples) else [samples[k] for k in places]
