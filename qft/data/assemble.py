"""Rows -> a Source: what each row becomes, the test set held out by content, every irregularity counted.

* A sample's id is ``row_N``, N its position in the source from 0, over all files in the order of their names.
* The test set: ``test_size`` of the rows at ``test_rows`` (a tenth of them, where that is less), with different
  questions, by the SHA-256 of the question, so neither ``data.rows`` nor the order of rows decides. Of a
  set for reasoning only verifiable rows are taken: those whose source states the final answer.
* The pool: the rows at ``rows``, the first of each question, and none whose question is in the test set.
* Rows that continue each other (``qft.data.duplicates``) are one dialogue: its longest row stands for it.

The question is all the user says, white space, case and full-width forms apart: two answers to one question never lie
in two parts, nor do rows of one dialogue.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable

from qft.data.duplicates import beginnings, longest, question
from qft.data.messages import LeftOut, Messages, Sample
from qft.data.rows import Row
from qft.errors import QftError
from qft.progress import bar

TEST_SIZE = 50

# a row -> its messages and, where the source states one, the final answer
Reader = Callable[[Row, Counter[str]], tuple[Messages, str | None]]
Assembled = tuple[list[Sample], list[Sample], dict[str, int], list[str]]


def assemble(
    name: str,
    rows: Iterable[tuple[int, Row]],
    read: Reader,
    wanted: range,
    test_rows: range,
    verifiable: bool = False,
    test_size: int = TEST_SIZE,
) -> Assembled:
    """``(pool, test, counts, left_out)``, the fields of a Source, from the rows at ``wanted`` or ``test_rows``.

    ``read`` may raise LeftOut for a row that cannot be used and QftError for one that should stop all.
    Raises QftError where either part would be empty.
    """
    counts: Counter[str] = Counter()
    left_out: list[str] = []
    samples: dict[int, Sample] = {}
    for position, row in bar(rows, "rows read"):
        counts["rows read"] += 1
        try:
            messages, answer = read(row, counts)
        except LeftOut as reason:
            counts[f"rows left out: {reason.args[0]}"] += 1
            left_out.append(f"{row.where}: {': '.join(reason.args)}")
            continue
        samples[position] = Sample(f"row_{position}", messages, answer)
    asked = {k: hashlib.sha256(question(s).encode()).digest() for k, s in samples.items()}
    starts = {k: beginnings([m.content for m in s.messages]) for k, s in samples.items()}

    usable = longest({k: starts[k] for k in samples if k in test_rows})
    able = [k for k in samples if k in usable and (samples[k].answer is not None or not verifiable)]
    first = {asked[k]: k for k in reversed(able)}  # of one question the first row
    size = min(test_size, max(1, len(usable) // 10))
    if len(first) < size:
        kind = "verifiable " if verifiable else ""
        raise QftError(
            f"{name}: {len(first)} different {kind}rows at data.test_rows where the test "
            f"set needs {size} ({len(usable)} usable rows there); widen data.test_rows.{_example(left_out)}"
        )
    held = sorted(sorted(first.values(), key=lambda k: _order(samples[k]))[:size])
    pool = _pool(samples, asked, starts, [k for k in samples if k in wanted], held, counts)
    if not pool:
        raise QftError(
            f"{name} leaves nothing to train on: {len(samples)} usable rows, {len(held)} of them the test set; "
            f"give more data or other data.rows.{_example(left_out)}"
        )
    counts["rows kept for training"], counts["rows kept for the test"] = len(pool), len(held)
    return pool, [samples[k] for k in held], {k: n for k, n in counts.items() if n}, left_out


def _example(left_out: list[str]) -> str:
    return f" {len(left_out)} rows were left out, such as {left_out[0]}." if left_out else ""


def _order(sample: Sample) -> str:
    """By which the test set is chosen: neither place nor order of the rows matters."""
    said = [" ".join(m.content.split()) for m in sample.messages if m.role == "user"]
    return hashlib.sha256("\0".join(said).encode()).hexdigest()


def _pool(
    samples: dict[int, Sample],
    asked: dict[int, bytes],
    starts: dict[int, list[bytes]],
    wanted: list[int],
    held: list[int],
    counts: Counter[str],
) -> list[Sample]:
    """The samples at ``wanted`` that share neither a question nor a dialogue with those held, nor with each other."""
    tested = {asked[k] for k in held}
    apart: dict[int, list[bytes]] = {}
    whole = {starts[k][-1] for k in held}
    within = {start for k in held for start in starts[k]}
    for k in wanted:
        if k in held:
            continue
        if asked[k] in tested:
            counts["rows with the question of a test row dropped"] += 1
        elif starts[k][-1] in within or not whole.isdisjoint(starts[k]):
            counts["rows of a test dialogue dropped"] += 1
        else:
            apart[k] = starts[k]
    kept = longest(apart)
    counts["rows that a longer one of their dialogue holds dropped"] += len(apart) - len(kept)
    pool: dict[bytes, Sample] = {}
    for k in apart:
        if k in kept and asked[k] in pool:
            counts["rows with the question of an earlier row dropped"] += 1
        elif k in kept:
            pool[asked[k]] = samples[k]
    return list(pool.values())
