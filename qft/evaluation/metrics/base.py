"""The contract of a metric: a module of this folder and one yaml in configs/metric. The module has

- ``MEASURES``: what its scores are, one Measure each; all that tables, pages and exports know of them.
- ``score(pairs, **options) -> list[Score]``: judges answers one by one against their references. There is at least
  one pair, and any text may be "".
- ``check(**options)``: raises QftError where scoring is bound to fail, for a value or a missing package, at once and
  without loading anything: it is called before a model is trained.

A real score::

    STANDARD = Measure("bleu4_standard", "BLEU-4 (standard)", packages=("sacrebleu",))
    Score(STANDARD, 21.3, "nrefs:1|case:mixed|eff:no|tok:zh|smooth:exp|version:2.6.0", [18.9, 30.2])

docs/add-a-metric.md makes one from the beginning.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LONGEST = 100_000  # characters: what a text of an answer is compared by, at most


@dataclass(frozen=True)
class Pair:
    """One answer and its reference, with what else a metric may need of a row of predictions.jsonl.

    ``prompt`` is the text the answer continues, ``finished`` False where the length limit cut it off,
    ``answer`` the final answer that can be verified, where the data state one.
    """

    prediction: str
    reference: str
    prompt: str = ""
    finished: bool = True
    answer: str | None = None


@dataclass(frozen=True)
class Measure:
    """What a number is, for whoever shows or compares it.

    Attributes:
        name: its key in metrics.json and scores.jsonl.
        title: its heading in tables and sentences.
        unit: of the value.
        higher_is_better: the direction in which answers are better.
        digits: decimals shown.
        packages: distributions it is computed with; their versions stand in the record of a run.
        published: the column of the papers' tables it stands beside (reports/analysis/published.yaml); None: none.
    """

    name: str
    title: str
    unit: str = "points"
    higher_is_better: bool = True
    digits: int = 2
    packages: tuple[str, ...] = ()
    published: str | None = None


@dataclass(frozen=True)
class Score:
    """What ``measure`` gives: ``value`` and ``per_sample`` (one per pair, in order) are 0-100.

    ``signature`` says how they were made. None in ``per_sample``: the pair cannot be judged and is left out of the
    value; a value of None: none could, and the signature says why. ``reasons`` explain the judgements, where a metric
    makes any. ``of`` recomputes the value from a choice of pairs (their indices) where it is not the mean of
    ``per_sample``.
    """

    measure: Measure
    value: float | None
    signature: str
    per_sample: Sequence[float | None]
    reasons: Sequence[str] | None = None
    of: "Callable[[Sequence[int] | NDArray[np.int64]], float] | None" = field(default=None, compare=False, repr=False)

    @property
    def name(self) -> str:
        """Its key in metrics.json and scores.jsonl."""
        return self.measure.name

    @property
    def higher_is_better(self) -> bool:
        """The direction in which answers are better."""
        return self.measure.higher_is_better


def mean(per_sample: Sequence[float | None]) -> float | None:
    """Mean of the pairs that were judged; None where none was."""
    judged = [v for v in per_sample if v is not None]
    return sum(judged) / len(judged) if judged else None


def within_limit(pairs: Sequence[Pair]) -> tuple[list[Pair], str]:
    """The pairs, their texts cut to LONGEST characters, and what a signature adds where any was: ``|cut:...``."""
    longer = sum(len(p.prediction) > LONGEST or len(p.reference) > LONGEST for p in pairs)
    cut = [replace(p, prediction=p.prediction[:LONGEST], reference=p.reference[:LONGEST]) for p in pairs]
    return cut, f"|cut:{LONGEST}-characters-in-{longer}-pairs" if longer else ""
