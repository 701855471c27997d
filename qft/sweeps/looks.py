"""``seeds=auto``: after 5, 10 and 15 seeds the rows of comparisons that are undecided get more seeds.

A look compares held-out losses by the functions that the report uses (``qft.statistics``), each look at a level of
0.05 / (3 m), m the comparisons that are planned: every method with LoRA r=4, and every control with its method, on
each data set and n. Three looks at a third of the error each leave 0.05 for all of them together.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from qft.records import HELDOUT, Cell, HeldoutLoss, RunDirectory
from qft.sweeps import cells
from qft.sweeps.spec import Row

if TYPE_CHECKING:
    import numpy as np

SEEDS_EACH = 5
SEEDS = range(1, 3 * SEEDS_EACH + 1)  # of three looks
REFERENCE = "LoRA r=4"  # label of the row that methods are compared with, where a sweep has it
Losses = Mapping[int, Mapping[str, HeldoutLoss]]  # seed -> sample -> loss


class Pair(NamedTuple):
    """Two rows, by their keys, on one data set and n."""

    row: str
    other: str
    data: str
    n: int


def look_of(seed: int) -> int:
    """The look, from 1, that a seed belongs to."""
    return (seed - 1) // SEEDS_EACH + 1


def split(planned: Sequence[Cell]) -> tuple[list[Cell], list[Cell]]:
    """The cells that are run in any case, and those of seeds that later looks may need."""
    return [c for c in planned if c.look == 1], [c for c in planned if c.look > 1]


def said(later: Sequence[Cell]) -> str:
    """How many cells may be added, in words."""
    return f" and at most {len(later)} more" if later else ""


def questions(rows: Mapping[str, Row], places: Sequence[tuple[str, int]]) -> list[list[Pair]]:
    """The planned comparisons, a list for each question: methods with LoRA, controls with their methods.

    Args:
        rows: Of the sweep, by key.
        places: Each data set with each n.
    """
    loras = [key for key, row in rows.items() if row.adapter == "lora" and not row.variant]
    labelled = [key for key in loras if rows[key].label == REFERENCE]
    first = next(iter([*labelled, *loras, *rows]))
    of_budget = {rows[key].budget: key for key in reversed(loras)}  # at several budgets a method has one of its own
    with_its = {key: first if labelled else of_budget.get(row.budget, first) for key, row in rows.items()}
    methods = [(key, lora) for key, lora in with_its.items() if rows[key].of not in rows and key != lora]
    controls = [(key, row.of) for key, row in rows.items() if row.of in rows]
    pairs = ([Pair(key, str(other), *place) for place in places for key, other in q] for q in (methods, controls))
    return [question for question in pairs if question]


def undecided(
    directory: Path, planned: Sequence[Cell], rows: Mapping[str, Row], looked: Iterable[Pair] | None = None
) -> list[Pair]:
    """The comparisons that need more seeds. One without held-out losses does not: nothing could be decided.

    Args:
        directory: Of the sweep.
        planned: Its cells so far.
        rows: Its rows by key.
        looked: The comparisons that an earlier look left undecided; None at the first look.
    """
    import numpy as np

    from qft.statistics import variance, verdict

    finals = [c for c in planned if c.role == "final" and c.command == "train"]
    places = list(dict.fromkeys((c.data, c.n) for c in finals))
    losses: dict[tuple[str, str, int], dict[int, dict[str, HeldoutLoss]]] = {}
    margins: dict[tuple[str, int], set[float | None]] = {}
    for cell in finals:
        if cells.done(directory, cell):
            measured, margin = _measured(cells.folder(directory, cell.name))
            losses.setdefault((cell.key, cell.data, cell.n), {})[cell.seed] = measured
            margins.setdefault((cell.data, cell.n), set()).add(margin)
    left = None if looked is None else set(looked)
    out: list[Pair] = []
    for question in questions(rows, places):
        level = verdict.level(len(question), verdict.LOOKS)
        for place in places:
            values = {pair: tables(losses, pair) for pair in question if (pair.data, pair.n) == place}
            known = {pair: table for pair, table in values.items() if table is not None}
            shared = variance.mean_correlation(np.array([variance.correlation(*table[:2]) for table in known.values()]))
            stated = margins.get(place, set())
            margin = next(iter(stated)) if len(stated) == 1 else None  # one that was changed in between is none
            for pair, (one, other, families) in known.items():
                estimate = variance.estimate(one, other, shared, families)
                found = verdict.judge(estimate, margin, level, higher_is_better=False)
                if found.side in (verdict.UNDECIDED, verdict.DESCRIPTIVE) and (left is None or pair in left):
                    out.append(pair)
    return out


def _measured(run: Path) -> tuple[dict[str, HeldoutLoss], float | None]:
    """The held-out losses of a run by sample, and the margin it was trained with."""
    directory = RunDirectory(run)
    directory.verify(("record.json", HELDOUT))
    data = directory.record().data
    return {row.sample: row for row in directory.heldout()}, data.margin if data else None


def tables(
    losses: Mapping[tuple[str, str, int], Losses], pair: Pair
) -> "tuple[np.ndarray, np.ndarray, list[str] | None] | None":
    """Losses of both rows, (items, seeds), as the mean over items is the loss; families; None where they share none."""
    import numpy as np

    both = [losses.get((key, pair.data, pair.n), {}) for key in (pair.row, pair.other)]
    seeds = sorted(set(both[0]) & set(both[1]))
    runs = [of_row[seed] for of_row in both for seed in seeds]
    common = sorted(set.intersection(*map(set, runs))) if runs else []
    if not common:
        return None
    values = np.array([[run[item].loss for run in runs] for item in common])
    tokens = np.array([[run[item].tokens for run in runs] for item in common])
    values = values * len(common) / tokens.sum(0)
    families = [runs[0][item].family for item in common]
    return values[:, : len(seeds)], values[:, len(seeds) :], families if any(families) else None
