"""The contract of a metric: a module of this folder with ``score`` and ``check``, plus one yaml in configs/metric.

``score(pairs, **own options) -> list[Score]`` judges answers one by one against their references. There is at
least one pair; any text may be "" (``qft.evaluation.score.score_all`` sees to the rest). ``check(**own options)``
raises QftError where that is bound to fail, for a value or a missing package, at once and without loading anything:
it is asked before a model is trained. A real score::

    Score("bleu4_standard", 21.3, "nrefs:1|case:mixed|eff:no|tok:zh|smooth:exp|version:2.6.0", True, [18.9, 30.2])
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

LONGEST = 100_000  # characters: what a text of an answer is compared by, at most


@dataclass(frozen=True)
class Pair:
    """One answer and its reference, with what else a metric may need of a row of predictions.jsonl.

    ``prompt`` is the text the answer goes on from, ``finished`` False where the length limit cut it off,
    ``answer`` the final answer that can be verified, where the data state one.
    """

    prediction: str
    reference: str
    prompt: str = ""
    finished: bool = True
    answer: str | None = None


@dataclass(frozen=True)
class Score:
    """``value`` and ``per_sample`` (one per pair, in order) are 0-100; ``signature`` says how they were made.

    None in ``per_sample``: the pair cannot be judged and is left out of the value; a value of None: none could,
    and the signature says why. ``reasons`` explain the judgements, where a metric makes any. ``of`` recomputes
    the value from a choice of pairs (their indices) where it is not the mean of ``per_sample``.
    """

    name: str
    value: float | None
    signature: str
    higher_is_better: bool
    per_sample: Sequence[float | None]
    reasons: Sequence[str] | None = None
    of: Callable[[Sequence[int]], float] | None = field(default=None, compare=False, repr=False)


def mean(per_sample: Sequence[float | None]) -> float | None:
    """Mean of the pairs that were judged; None where none was."""
    judged = [v for v in per_sample if v is not None]
    return sum(judged) / len(judged) if judged else None


def within_limit(pairs: Sequence[Pair]) -> tuple[list[Pair], str]:
    """The pairs, their texts cut to LONGEST characters, and what a signature adds where any was: ``|cut:...``."""
    longer = sum(len(p.prediction) > LONGEST or len(p.reference) > LONGEST for p in pairs)
    cut = [replace(p, prediction=p.prediction[:LONGEST], reference=p.reference[:LONGEST]) for p in pairs]
    return cut, f"|cut:{LONGEST}-characters-in-{longer}-pairs" if longer else ""
