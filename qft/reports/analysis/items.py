"""The values of two rows as tables items x seeds, paired item by item.

A score: one value an answer, 0-100. The held-out loss: of sample i of I its summed loss times I over the tokens of all
samples, so that the mean over items is the loss that is printed, nats per token. Any other loss is one number a run: a
table of one item, which no verdict can rest on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from qft.evaluation.metrics.base import Measure
from qft.records import HeldoutLoss
from qft.reports.analysis import measures
from qft.reports.sweep import Cell


@dataclass(frozen=True)
class Tables:
    """Two rows on the items that every run of both has.

    Attributes:
        one, other: (items, seeds); the untuned base has one column.
        families: (items,) of sentences; None where the items name none.
    """

    one: np.ndarray
    other: np.ndarray
    families: list[str] | None = None


def tables(cells: Sequence[Cell], others: Sequence[Cell], measure: Measure) -> Tables | None:
    """The runs of two rows, in the order given; None where they share no item."""
    runs = [*cells, *others]
    if measure == measures.HELDOUT:
        return _of_losses([{row.sample: row for row in c.heldout} for c in runs], len(cells))
    if measures.is_loss(measure):
        values = np.array([[measures.value(c, measure) for c in runs]], dtype=np.float64)
        return Tables(values[:, : len(cells)], values[:, len(cells) :])
    scored = [c.scores[measure.name] for c in runs]
    common = sorted(set.intersection(*(set(s) for s in scored)))
    if not common:
        return None
    values = np.array([[s[item] for s in scored] for item in common])
    return Tables(values[:, : len(cells)], values[:, len(cells) :])


def _of_losses(runs: Sequence[Mapping[str, HeldoutLoss]], first: int) -> Tables | None:
    common = sorted(set.intersection(*(set(run) for run in runs)))
    if not common:
        return None
    losses = np.array([[run[item].loss for run in runs] for item in common])
    tokens = np.array([[run[item].tokens for run in runs] for item in common])
    values = losses * len(common) / tokens.sum(0)
    families = [runs[0][item].family for item in common]
    return Tables(values[:, :first], values[:, first:], families if any(families) else None)
