"""Rows -> a Source: what each row becomes, the test set held out by content, every irregularity counted.

* A sample's id is ``row_N``, N its position in the source from 0, over all files in the order of their names.
* The test set: ``test_size`` of the rows at ``test_rows`` (a tenth of them, if that is less), with different questions,
  chosen by the SHA-256 of the question, so that neither ``data.rows`` nor the order of rows decides. Of a set for
  reasoning only verifiable rows are taken: those whose source states the final answer.
* The pool: the rows at ``rows``, the first of each question, and none whose question is in the test set.
* Rows that continue each other (``qft.data.duplicates``) are one dialogue, represented by its longest row.

Of each row only digests are kept in memory; the samples of a large set are in a temporary file (``qft.data.spool``).

The question is all the user says, regardless of white space, case and full-width forms. Two answers to one question
are never in two parts, nor are two rows of one dialogue.
"""

import hashlib
from array import array
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from qft.data.datasets.base import Source
from qft.data.duplicates import longest, prefixes, question
from qft.data.messages import LeftOut, Messages, Sample
from qft.data.rows import Row
from qft.data.spool import Spool
from qft.errors import QftError
from qft.progress import bar

TEST_SIZE = 50
DIGEST = 16  # bytes of one that are compared

# a row -> its messages and, where the source states one, the final answer
Reader = Callable[[Row, Counter[str]], tuple[Messages, str | None]]
Places = NDArray[np.int64]


def assemble(
    name: str,
    rows: Iterable[tuple[int, Row]],
    read: Reader,
    pool_rows: range,
    test_rows: range,
    verifiable: bool = False,
    test_size: int = TEST_SIZE,
) -> Source:
    """Read the rows of a set and divide them into pool and test set.

    Args:
        name: The set, for messages.
        rows: ``(position, row)``, such as ``qft.data.sources.open_rows`` gives.
        read: Makes the messages of a row. It may raise LeftOut for a row that cannot be used, and QftError to stop.
        pool_rows: Positions of the rows to train on.
        test_rows: Positions of the rows that the test set is chosen from.
        verifiable: Whether a test row must state its final answer.
        test_size: How many rows the test set has at most.

    Raises:
        QftError: Pool or test set would be empty or too small.
    """
    counts: Counter[str] = Counter()
    left_out: list[str] = []
    usable = _Usable()
    for position, row in bar(rows, "rows read"):
        counts["rows read"] += 1
        try:
            messages, answer = read(row, counts)
        except LeftOut as reason:
            counts[f"rows left out: {reason.args[0]}"] += 1
            left_out.append(f"{row.where}: {': '.join(reason.args)}")
            continue
        usable.add(position, Sample(f"row_{position}", messages, answer), position in test_rows)
    example = f" {len(left_out)} rows were left out, such as {left_out[0]}." if left_out else ""

    held_out = _test(name, usable.candidates, verifiable, test_size, example)
    selected = usable.within(pool_rows)
    pool = _pool(usable, selected, np.array(held_out, dtype=np.int64), counts)
    if not len(pool):
        raise QftError(
            f"{name} leaves nothing to train on: {len(usable.spool)} usable rows, {len(held_out)} of them the test "
            f"set; give more data or other data.rows.{example}"
        )
    counts["rows kept for training"], counts["rows kept for the test"] = len(pool), len(held_out)
    samples = usable.spool.samples
    test, known = list(samples(np.array(held_out, dtype=np.int64))), {k: n for k, n in counts.items() if n}
    return Source(samples(pool), test, known, left_out, samples(selected))


@dataclass(frozen=True)
class _Candidate:
    """A row that the test set may be chosen from.

    ``rank`` decides whether it is: a digest of what the user says, so that neither its position nor the order of the
    rows matters. ``prefixes`` as in ``duplicates``; ``verifiable``: whether it states its final answer.
    """

    question: bytes
    prefixes: list[bytes]
    rank: str
    verifiable: bool


@dataclass
class _Usable:
    """The rows that became samples, by the place in which they were read.

    Attributes:
        spool: The samples.
        positions: Of the rows in their source.
        questions: A digest of each question.
        prefixes: ``duplicates.prefixes`` of all, one after the other.
        ends: Where those of each row end, counted in digests.
        candidates: Place -> what is known of a row at ``test_rows``.
    """

    spool: Spool = field(default_factory=Spool)
    positions: "array[int]" = field(default_factory=lambda: array("q"))
    questions: bytearray = field(default_factory=bytearray)
    prefixes: bytearray = field(default_factory=bytearray)
    ends: "array[int]" = field(default_factory=lambda: array("q"))
    candidates: dict[int, _Candidate] = field(default_factory=dict)

    def add(self, position: int, sample: Sample, candidate: bool) -> None:
        digest = hashlib.sha256(question(sample).encode()).digest()[:DIGEST]
        starts = prefixes([m.content for m in sample.messages])
        if candidate:
            user = [" ".join(m.content.split()) for m in sample.messages if m.role == "user"]
            rank = hashlib.sha256("\0".join(user).encode()).hexdigest()
            self.candidates[len(self.spool)] = _Candidate(digest, starts, rank, sample.answer is not None)
        self.spool.add(sample)
        self.positions.append(position)
        self.questions += digest
        self.prefixes += b"".join(starts)
        self.ends.append(len(self.prefixes) // DIGEST)

    def within(self, rows: range) -> Places:
        """The places of the rows at these positions."""
        positions = np.frombuffer(self.positions, dtype=np.int64)
        return np.flatnonzero((positions >= rows.start) & (positions < rows.stop))


def _numbers(digests: bytearray) -> Places:
    """A number for each digest; equal ones have the same."""
    pairs = np.frombuffer(digests, dtype=[("a", "<u8"), ("b", "<u8")])
    order = np.lexsort((pairs["b"], pairs["a"]))
    new = np.ones(len(pairs), dtype=np.int64)
    new[1:] = pairs[order][1:] != pairs[order][:-1]
    numbers = np.empty(len(pairs), dtype=np.int64)
    numbers[order] = np.cumsum(new)
    return numbers


def _test(name: str, candidates: dict[int, _Candidate], verifiable: bool, test_size: int, example: str) -> list[int]:
    """The places of the rows of the test set, in the order of the source."""
    whole = longest({k: row.prefixes for k, row in candidates.items()})
    suitable = [k for k in candidates if k in whole and (candidates[k].verifiable or not verifiable)]
    first = {candidates[k].question: k for k in reversed(suitable)}  # the first row of each question
    size = min(test_size, max(1, len(whole) // 10))
    if len(first) < size:
        kind = "verifiable " if verifiable else ""
        raise QftError(
            f"{name}: {len(first)} different {kind}rows at data.test_rows, but the test set needs {size} "
            f"({len(whole)} usable rows there); widen data.test_rows.{example}"
        )
    return sorted(sorted(first.values(), key=lambda k: candidates[k].rank)[:size])


def _pool(usable: _Usable, selected: Places, held_out: Places, counts: Counter[str]) -> Places:
    """Those of the selected rows that share no question and no dialogue with the test set, nor with each other."""
    questions, starts = _numbers(usable.questions), _numbers(usable.prefixes)
    ends = np.frombuffer(usable.ends, dtype=np.int64)
    rows = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=0))  # of each prefix
    last = starts[ends - 1]  # the whole dialogue of each row
    asked = np.isin(questions, questions[held_out])
    of_test = np.isin(rows, held_out)
    continues = np.zeros(len(ends), dtype=bool)  # holds a whole dialogue of the test set
    continues[rows[np.isin(starts, last[held_out])]] = True
    shared = continues | np.isin(last, starts[of_test])
    selected = selected[~np.isin(selected, held_out)]
    counts["rows with the question of a test row dropped"] = int(asked[selected].sum())
    counts["rows of a test dialogue dropped"] = int((shared & ~asked)[selected].sum())
    separate = selected[~(asked | shared)[selected]]

    inner = np.ones(len(starts), dtype=bool)
    inner[ends - 1] = False
    remaining = np.zeros(len(ends), dtype=bool)
    remaining[separate] = True
    complete = separate[~np.isin(last[separate], starts[inner & remaining[rows]])]
    counts["rows that a longer one of their dialogue holds dropped"] = len(separate) - len(complete)
    _, first = np.unique(questions[complete], return_index=True)
    counts["rows with the question of an earlier row dropped"] = len(complete) - len(first)
    return complete[np.sort(first)]
