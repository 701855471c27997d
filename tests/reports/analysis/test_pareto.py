"""The front against its definition, point by point."""

from pathlib import Path

import numpy as np
import pytest
import synthetic

from qft.reports import read
from qft.reports.analysis import measures, pareto


def brute_force(sizes: list[float], values: list[float], higher: bool) -> set[int]:
    def dominated(k: int) -> bool:
        worse = [-v if higher else v for v in values]
        return any(
            sizes[j] <= sizes[k] and worse[j] <= worse[k] and (sizes[j] < sizes[k] or worse[j] < worse[k])
            for j in range(len(sizes))
        )

    return {k for k in range(len(sizes)) if not dominated(k)}


@pytest.mark.parametrize("higher", [False, True])
def test_the_front_is_what_no_other_point_dominates(higher: bool) -> None:
    rng = np.random.default_rng(7)
    for number in [1, 2, 3, *range(4, 40)] * 5:
        sizes, values = (rng.integers(0, 9, number).tolist() for _ in range(2))  # few numbers: many ties
        found = pareto.front(sizes, values, higher)
        assert set(found) == brute_force(sizes, values, higher) and len(set(found)) == len(found)
        assert [sizes[k] for k in found] == sorted(sizes[k] for k in found)


def test_known_fronts() -> None:
    assert pareto.front([10, 20, 30], [3.0, 2.0, 2.5]) == [0, 1]
    assert pareto.front([10, 20, 30], [3.0, 2.0, 2.5], higher_is_better=True) == [0]
    assert pareto.front([10, 10, 10], [1.0, 1.0, 2.0]) == [0, 1], "equal points stand together"
    assert pareto.front([], []) == []


def test_points_are_means_of_plain_rows_by_size(tmp_path: Path) -> None:
    sweep = read.load(synthetic.pareto(tmp_path, seeds=2))
    made = pareto.points(sweep, measures.VALIDATION, "demo", 300)
    assert [p.row for p in made] == list(synthetic.FRONT), "from the smallest to the largest, the base left out"
    assert all(len(p.cells) == 2 and p.sd is not None for p in made)
    first = made[0]
    assert first.mean == pytest.approx(sum(c.loss("validation_loss") for c in first.cells) / 2)
    assert [p.row for p in pareto.on_front(made, measures.VALIDATION)][-1] == "LoRA r=4"


def test_only_what_is_far_worse_is_drawn_at_the_edge() -> None:
    assert pareto.drawn([1.0, 1.1, 1.2, 1.3, 9.0], [1.0], False) == [1.0, 1.1, 1.2, 1.3, 1.3]
    assert pareto.drawn([30.0, 29.0, 28.0, 27.0, 1.0], [30.0], True) == [30.0, 29.0, 28.0, 27.0, 27.0]
    nearly_equal = [2.27] * 8 + [2.22, 10.9]
    assert pareto.drawn(nearly_equal, [10.9], True) == nearly_equal, "no range between the quartiles"
    assert pareto.drawn([9.0, 1.0, 1.1, 1.2, 1.3], [9.0, 1.0], False)[0] == 9.0, "the front stays"
