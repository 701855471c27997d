"""The trials of a search: which learning rates are tried, one after another, and which of them is chosen.

Seven for every row and data set; r is the rate that a run of this method on this model has by default::

    1  four rates at factor 3 around r:   r 3^(-3/2)   r 3^(-1/2)   r 3^(1/2)   r 3^(3/2)
    2  both neighbours of the best at factor sqrt(3)
    3  the rival of the best, the second of the six, on a second seed

The lowest validation loss wins, a rate of two trials by the mean of its losses: the rival is chosen where that mean is
below the loss of the best. A rate of which a trial diverged is never chosen. Rates have four digits.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from qft.records import Trial

SEEDS = (100, 101)  # of the search alone; final runs have others
STEP = 3.0
FIRST = {f"rate{k + 1}": STEP ** (k - 1.5) for k in range(4)}  # trial -> its rate over the default
NEIGHBOURS = {"below": STEP**-0.5, "above": STEP**0.5}  # trial -> its rate over the best
AGAIN = "again"


@dataclass(frozen=True)
class PlannedTrial:
    """A trial before its rate is known; ``lr``: of a grid that the sweep states; ``after``: trials it depends on."""

    name: str
    seed: int
    lr: float | None = None
    after: tuple[str, ...] = ()


def planned(grid: Sequence[float] | None) -> list[PlannedTrial]:
    """The trials of one search, in order: the seven, or one for each rate of a stated grid."""
    if grid is not None:
        return [PlannedTrial(f"lr{lr:g}", SEEDS[0], lr) for lr in grid]
    first = [PlannedTrial(name, SEEDS[0]) for name in FIRST]
    both = [PlannedTrial(name, SEEDS[0], after=tuple(FIRST)) for name in NEIGHBOURS]
    return [*first, *both, PlannedTrial(AGAIN, SEEDS[1], after=(*FIRST, *NEIGHBOURS))]


def first_rate(trial: str, default: float) -> float | None:
    """The rate of a trial of the first four; None of any other, which waits for results."""
    return _rounded(default * FIRST[trial]) if trial in FIRST else None


def next_rates(ended: Mapping[str, Trial]) -> dict[str, float]:
    """The rates of the trials that the ended ones decide on: trial -> rate.

    Args:
        ended: Name of a trial -> what became of it.
    """
    rates: dict[str, float] = {}
    if ended.keys() >= FIRST.keys() and (ranked := ranking(ended[name] for name in FIRST)):
        rates |= {name: _rounded(ranked[0] * factor) for name, factor in NEIGHBOURS.items()}
        six = [*FIRST, *NEIGHBOURS]
        if ended.keys() >= set(six):
            rates[AGAIN] = (*ranking(ended[name] for name in six), ranked[0])[1]
    return rates


def ranking(trials: Iterable[Trial]) -> list[float]:
    """The rates by validation loss, the best first; those of which a trial diverged are left out."""
    losses: dict[float, list[float | None]] = {}
    for trial in trials:
        losses.setdefault(trial.lr, []).append(trial.validation_loss)
    means = {
        lr: [loss for loss in of_rate if loss is not None] for lr, of_rate in losses.items() if None not in of_rate
    }
    return sorted(means, key=lambda lr: (sum(means[lr]) / len(means[lr]), lr))


def at_edge(lr: float, trials: Iterable[Trial]) -> bool:
    """Whether no lower or no higher rate was tried: the best may lie beyond."""
    rates = [trial.lr for trial in trials]
    return lr in (min(rates), max(rates))


def _rounded(rate: float) -> float:
    return float(f"{rate:.4g}")
