"""Rows -> a Source: what each row becomes, the test set held out by content, every irregularity counted.

* A sample's id is ``row_N``, N its position in the source from 0, over all files in the order of their names.
* The test set: ``test_size`` of the rows at ``test_rows`` (a tenth of them, if that is less), with different questions,
  chosen by the SHA-256 of the question, so that neither ``data.rows`` nor the order of rows decides. Of a set for
  reasoning only verifiable rows are taken: those whose source states the final answer.
* The pool: the rows at ``rows``, the first of each question, and none whose question is in the test set.
* Rows that continue each other (``qft.data.duplicates``) are one dialogue, represented by its longest row.

The question is all the user says, regardless of white space, case and full-width forms. Two answers to one question
are never in two parts, nor are two rows of one dialogue.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from qft.data.datasets.base import Source
from qft.data.duplicates import longest, prefixes, question
from qft.data.messages import LeftOut, Messages, Sample
from qft.data.rows import Row
from qft.errors import QftError
from qft.progress import bar

TEST_SIZE = 50

# a row -> its messages and, where the source states one, the final answer
Reader = Callable[[Row, Counter[str]], tuple[Messages, str | None]]


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
    usable: dict[int, _Usable] = {}
    for position, row in bar(rows, "rows read"):
        counts["rows read"] += 1
        try:
            messages, answer = read(row, counts)
        except LeftOut as reason:
            counts[f"rows left out: {reason.args[0]}"] += 1
            left_out.append(f"{row.where}: {': '.join(reason.args)}")
            continue
        usable[position] = _Usable.of(Sample(f"row_{position}", messages, answer))
    example = f" {len(left_out)} rows were left out, such as {left_out[0]}." if left_out else ""

    candidates = {k: row for k, row in usable.items() if k in test_rows}
    held_out = _test(name, candidates, verifiable, test_size, example)
    pool = _pool({k: row for k, row in usable.items() if k in pool_rows}, held_out, counts)
    if not pool:
        raise QftError(
            f"{name} leaves nothing to train on: {len(usable)} usable rows, {len(held_out)} of them the test set; "
            f"give more data or other data.rows.{example}"
        )
    counts["rows kept for training"], counts["rows kept for the test"] = len(pool), len(held_out)
    test = [row.sample for row in held_out.values()]
    every = [row.sample for k, row in usable.items() if k in pool_rows]
    return Source(pool, test, {k: n for k, n in counts.items() if n}, left_out, every)


@dataclass(frozen=True)
class _Usable:
    """A row that became a sample, a digest of its question, and its ``duplicates.prefixes``."""

    sample: Sample
    question: bytes
    prefixes: list[bytes]

    @classmethod
    def of(cls, sample: Sample) -> "_Usable":
        digest = hashlib.sha256(question(sample).encode()).digest()
        return cls(sample, digest, prefixes([m.content for m in sample.messages]))

    def rank(self) -> str:
        """Decides whether the row is in the test set; neither its position nor the order of the rows matters."""
        user = [" ".join(m.content.split()) for m in self.sample.messages if m.role == "user"]
        return hashlib.sha256("\0".join(user).encode()).hexdigest()


def _test(
    name: str, candidates: dict[int, _Usable], verifiable: bool, test_size: int, example: str
) -> dict[int, _Usable]:
    """The rows of the test set, in the order of the source."""
    whole = longest({k: row.prefixes for k, row in candidates.items()})
    suitable = [k for k in candidates if k in whole and (candidates[k].sample.answer is not None or not verifiable)]
    first = {candidates[k].question: k for k in reversed(suitable)}  # the first row of each question
    size = min(test_size, max(1, len(whole) // 10))
    if len(first) < size:
        kind = "verifiable " if verifiable else ""
        raise QftError(
            f"{name}: {len(first)} different {kind}rows at data.test_rows, but the test set needs {size} "
            f"({len(whole)} usable rows there); widen data.test_rows.{example}"
        )
    chosen = sorted(first.values(), key=lambda k: candidates[k].rank())[:size]
    return {k: candidates[k] for k in sorted(chosen)}


def _pool(selected: dict[int, _Usable], held_out: dict[int, _Usable], counts: Counter[str]) -> list[Sample]:
    """Those of the selected rows that share no question and no dialogue with the test set, nor with each other."""
    tested = {row.question for row in held_out.values()}
    whole = {row.prefixes[-1] for row in held_out.values()}
    within = {prefix for row in held_out.values() for prefix in row.prefixes}
    separate: dict[int, _Usable] = {}
    for k, row in selected.items():
        if k in held_out:
            continue
        if row.question in tested:
            counts["rows with the question of a test row dropped"] += 1
        elif row.prefixes[-1] in within or not whole.isdisjoint(row.prefixes):
            counts["rows of a test dialogue dropped"] += 1
        else:
            separate[k] = row
    complete = longest({k: row.prefixes for k, row in separate.items()})
    counts["rows that a longer one of their dialogue holds dropped"] += len(separate) - len(complete)
    pool: dict[bytes, Sample] = {}
    for k in separate:
        if k in complete and separate[k].question in pool:
            counts["rows with the question of an earlier row dropped"] += 1
        elif k in complete:
            pool[separate[k].question] = separate[k].sample
    return list(pool.values())
