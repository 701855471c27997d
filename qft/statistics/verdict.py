"""Whether a difference decides: one interval, simultaneous over the comparisons that a claim has planned.

Leaves out zero: better or worse. Within the margin on both sides: equal. Else undecided, with what would help.
Fewer than MIN_SEEDS seeds: no verdict. The rules and why: docs/statistics.md.
"""

from dataclasses import dataclass, replace

import numpy as np

from qft.statistics import outlook
from qft.statistics.variance import Estimate, Families, paired

MIN_SEEDS = 5  # with fewer there is no verdict
MIN_ANSWERS = 1000  # scores of fewer answers are never equal
LOOKS = 3  # of seeds=auto, at 5, 10 and 15 seeds
ERROR = 0.05  # probability that any verdict of a claim is false

BETTER, WORSE, EQUAL, UNDECIDED, DESCRIPTIVE = "better", "worse", "equal", "undecided", "descriptive"
BY_LESS = ", by less than the margin"


@dataclass(frozen=True)
class Verdict:
    """What a comparison says.

    Attributes:
        word: better, worse (either with BY_LESS), equal, undecided or descriptive.
        estimate: mean of the differences, in their unit.
        low, high: the simultaneous interval; infinite where nothing gives one.
        p: the level at which the interval of this difference alone ends at zero; NaN without degrees of freedom.
        of_items, of_seeds, of_rest: parts of the variance: of one more item, seed or value.
        help: what would help, where the word is undecided or descriptive; else empty.
        paired: whether seeds were paired.
    """

    word: str
    estimate: float
    low: float
    high: float
    p: float
    of_items: float
    of_seeds: float
    of_rest: float
    help: str = ""
    paired: bool = True

    @property
    def side(self) -> str:
        """The word without the margin: better, worse, equal, undecided or descriptive."""
        return self.word.removesuffix(BY_LESS)


def level(planned: int, looks: int = 1) -> float:
    """The probability of error that one interval may have, of a claim of so many planned comparisons."""
    return ERROR / (max(planned, 1) * looks)


def decide(
    differences: np.ndarray,
    margin: float | None,
    level: float,
    higher_is_better: bool = True,
    families: Families = None,
) -> Verdict:
    """The verdict on differences whose seeds pair.

    Args:
        differences: (items, seeds), finite: the row minus the other.
        margin: differences below it count as none; None: nothing is equal.
        level: probability of error of this interval, such as 0.05 / m.
        higher_is_better: direction of the measure; of a loss False.
        families: (items,) families of sentences, which stay as they are.

    Raises:
        ValueError: the table is empty, or a value is not finite.
    """
    return judge(paired(differences, families), margin, level, higher_is_better)


def judge(estimate: Estimate, margin: float | None, level: float, higher_is_better: bool = True) -> Verdict:
    """The verdict on one estimate."""
    low, high = (float(end) for end in estimate.interval(level))
    verdict = Verdict(
        word=str(words(estimate, margin, level, higher_is_better)),
        estimate=float(estimate.mean),
        low=low,
        high=high,
        p=float(estimate.p),
        of_items=float(estimate.of_items),
        of_seeds=float(estimate.of_seeds),
        of_rest=float(estimate.of_rest),
        paired=bool(estimate.paired),
    )
    if verdict.word == UNDECIDED:
        return replace(verdict, help=outlook.what_helps(estimate, margin, level))
    return replace(verdict, help=_missing(estimate)) if verdict.word == DESCRIPTIVE else verdict


def words(estimate: Estimate, margin: float | None, level: float, higher_is_better: bool = True) -> np.ndarray:
    """The word for each estimate, an array of text of the estimate's shape."""
    low, high = estimate.interval(level)
    if _missing(estimate):
        return np.full(np.shape(low), DESCRIPTIVE)
    above, below = (BETTER, WORSE) if higher_is_better else (WORSE, BETTER)
    bound = -1.0 if margin is None else margin
    small = (low > -bound) & (high < bound)
    spread = estimate.variance > 0  # differences that are one number leave nothing to judge them by
    out = np.select(
        [spread & (low > 0) & small, spread & (high < 0) & small, spread & (low > 0), spread & (high < 0)],
        [above + BY_LESS, below + BY_LESS, above, below],
        UNDECIDED,
    )
    return np.where(small & (low <= 0) & (high >= 0), EQUAL, out)


def with_searches(verdict: Verdict, row_bracketed: bool, other_bracketed: bool) -> Verdict:
    """The verdict where a search has left a row's best learning rate open: such a row may be better than it is here.

    It is never the worse of two, nor equal to anything.
    """
    open_to_doubt = {
        WORSE: not row_bracketed,
        BETTER: not other_bracketed,
        EQUAL: not (row_bracketed and other_bracketed),
    }
    if open_to_doubt.get(verdict.side, False):
        return replace(verdict, word=UNDECIDED, help="a learning rate whose neighbours are both worse")
    return verdict


def _missing(estimate: Estimate) -> str:
    """Why there is no verdict; empty where there is one."""
    if estimate.seeds < MIN_SEEDS:
        return f"{MIN_SEEDS} seeds or more"
    return "" if estimate.items > 1 else "values of single items"
