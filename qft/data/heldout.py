"""The held-out part: rows of the pool that no run is trained on, validated with or tested on.

Methods are compared by their losses on these rows, which had no say in choosing anything. Rows of one question stay
together, so the rows are ranked by the place that their question first has in the order of ``prepare.subset``::

    order      a  b  c  d  a' e       (a' asks what a asks)
    rank       6  4  3  2  5  1       the held-out part is e, d, c, ... , as far as training leaves them

The part is therefore the same for every n that leaves enough rows, and the first of the same list for a larger n.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from qft.data.duplicates import question
from qft.data.messages import Sample
from qft.data.spool import SpooledSamples
from qft.ranges import Range, check_one

SIZE = 256  # rows, where the dataset's yaml says nothing


def size(spec: Mapping[str, Any]) -> int:
    """``heldout`` of a dataset's yaml: how many rows are held out at most. Raises QftError unless it is 0 or more."""
    number = spec.get("heldout", SIZE)
    check_one("data.heldout", number, Range(at_least=0), whole=True)
    return int(number)


def margin(spec: Mapping[str, Any]) -> float | None:
    """``margin`` of a dataset's yaml: losses closer than this many nats a token are equal. None: it states none.

    Raises QftError unless it is a number above 0.
    """
    number = spec.get("margin")
    if number is None:
        return None
    check_one("data.margin", number, Range(above=0))
    return float(number)


def searched(spec: Mapping[str, Any]) -> int:
    """``searched``, which a sweep adds: on how many samples the learning rate was searched, which are not held out.

    Raises QftError unless it is 0 or more.
    """
    number = spec.get("searched", 0)
    check_one("data.searched", number, Range(at_least=0), whole=True)
    return int(number)


def held_out(ordered: Sequence[Sample], n: int, size: int) -> list[Sample]:
    """The held-out rows beside the first ``n`` of the order.

    Args:
        ordered: The pool in the order that the samples of a run are taken from.
        n: Samples for training and validation together, of the run or of the search of its learning rate.
        size: Rows to hold out at most.

    Returns:
        At most ``size`` rows, none with the question of one of the first n; fewer, or none, where the pool has no
        more.
    """
    if size == 0:
        return []
    if isinstance(ordered, SpooledSamples):  # their questions differ, so that each is the first of its own
        return list(ordered[n:][::-1][:size])
    questions = [question(s) for s in ordered]
    first: dict[str, int] = {}
    for place, text in enumerate(questions):
        first.setdefault(text, place)
    ranked = sorted(range(len(ordered)), key=lambda k: (-first[questions[k]], k))
    left = [ordered[k] for k in ranked if first[questions[k]] >= n]
    return list({s.messages: s for s in reversed(left)}.values())[::-1][:size]  # each text once
