"""seeds=auto: undecided comparisons get 10 and then 15 seeds, by the functions that the report decides with."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stored
from test_run import JOBS, Fake

from qft.errors import QftError
from qft.records import (
    HELDOUT,
    Cell,
    DataRecord,
    HeldoutLoss,
    RunDirectory,
    SweepPlan,
    mean_loss,
    read,
    write_heldout,
)
from qft.statistics import verdict
from qft.sweeps import cells, looks
from qft.sweeps.attempt import attempt
from qft.sweeps.looks import Pair
from qft.sweeps.plan import Selection, plan, rows_of
from qft.sweeps.run import PlannedSweep, run
from qft.sweeps.spec import read_spec

SPEC: dict[str, Any] = {
    "name": "t",
    "rows": {
        "near": {"label": "Near", "adapter": "qtha"},
        "lora": {"label": "LoRA r=4", "adapter": "lora"},
        "far": {"label": "Far", "adapter": "qwthn"},
        "far_control": {"of": "far", "set": ["adapter.circuit=none"]},
    },
    "scales": {"s": {"data": {"demo": []}, "n": [20], "seeds": "auto", "search": {"n": 20, "lr": [0.1]}}},
}
ITEMS = 40


class Trained(Fake):
    """A launcher whose runs leave held-out losses: a row's own shift, and noise of items and seeds."""

    def __init__(self, directory: Path, shift: dict[str, float], held_out: bool = True, spread: float = 0.01) -> None:
        super().__init__(directory)
        self.shift, self.held_out, self.spread = shift, held_out, spread

    def run(self, cell: Cell) -> str | None:
        self.order.append(cell.name)

        def recipe(config: Any) -> None:
            run = RunDirectory(cells.folder(self.directory, cell.name))
            data = DataRecord("demo", "d", "", 20, 18, 2, 50, 1280, margin=0.02)
            run.save(stored.record(cell.seed, training=stored.training(lr=cell.lr), data=data))
            if self.held_out and cell.role == "final":
                rng = np.random.default_rng([cell.seed, *cell.key.encode()])
                of_items = np.random.default_rng(0).normal(3, 1, ITEMS) + self.shift.get(cell.key, 0.0)
                values = of_items + rng.normal(0, self.spread) + rng.normal(0, self.spread, ITEMS)
                write_heldout(
                    run / HELDOUT, [HeldoutLoss(f"s{k}", "", v * 5, 5) for k, v in enumerate(values.tolist())]
                )
            (run / "adapter").mkdir(parents=True, exist_ok=True)
            run.finish()

        attempt(self.directory, cell, JOBS[cell.command], recipe)
        return None


def go(directory: Path, launcher: Trained) -> dict[str, list[int]]:
    """Run the sweep; the seeds that each row has in the end."""
    spec = read_spec(SPEC)
    made = plan(spec, "s")
    for cell in made:
        cell.id = cell.name
    first, later = looks.split(made)
    sweep = PlannedSweep(directory, "t", "s", "qft", first, dict.fromkeys((c.name for c in made), 3),
                         rows=spec.rows, later=later)  # fmt: skip
    run(sweep, launcher, 1, None)
    finals = [c for c in sweep.plan if c.role == "final"]
    return {key: sorted(c.seed for c in finals if c.key == key) for key in spec.rows}


FEW, MORE, MOST = ([*range(1, 5 * look + 1)] for look in (1, 2, 3))


def test_what_is_decided_keeps_its_seeds_and_the_rest_gets_more(tmp_path: Path) -> None:
    launcher = Trained(tmp_path, {"far": 0.5, "far_control": 1.0, "near": 0.018}, spread=0.02)
    found = go(tmp_path, launcher)
    assert found["far"] == found["far_control"] == FEW, "far apart from what they are compared with"
    assert found["near"] == found["lora"] != FEW, "at the margin: as many seeds for both"
    assert read(tmp_path / "sweep.json", SweepPlan).looks == verdict.LOOKS == 3
    again = Trained(tmp_path, {})
    assert go(tmp_path, again) == found and again.order == [], "the looks are found again"


def test_all_equal_rows_of_little_spread_need_no_more(tmp_path: Path) -> None:
    assert set(map(tuple, go(tmp_path, Trained(tmp_path, {}, spread=0.002)).values())) == {tuple(FEW)}


def test_without_held_out_losses_no_seed_is_added(tmp_path: Path) -> None:
    assert set(map(tuple, go(tmp_path, Trained(tmp_path, {}, held_out=False)).values())) == {tuple(FEW)}


def test_there_are_three_looks_and_no_more(tmp_path: Path) -> None:
    found = go(tmp_path, Trained(tmp_path, {"near": 0.02}, spread=0.3))
    assert found["near"] == found["lora"] == MOST == [*looks.SEEDS]
    assert len(looks.SEEDS) == verdict.LOOKS * looks.SEEDS_EACH


def test_altered_losses_decide_nothing(tmp_path: Path) -> None:
    go(tmp_path, Trained(tmp_path, {}, spread=0.002))
    file = cells.folder(tmp_path, "t-near-demo-n20-seed1") / HELDOUT
    file.write_text(file.read_text().replace("s1,", "s1x,"))
    with pytest.raises(QftError, match=r"heldout\.csv is damaged"):
        go(tmp_path, Trained(tmp_path, {}))


def test_methods_stand_against_lora_and_controls_against_their_method() -> None:
    rows = read_spec(SPEC).rows
    methods, controls = looks.questions(rows, [("demo", 20), ("demo", 40)])
    assert methods == [Pair(key, "lora", "demo", n) for n in (20, 40) for key in ("near", "far")]
    assert controls == [Pair("far_control", "far", "demo", n) for n in (20, 40)]
    without = {key: row for key, row in rows.items() if key not in ("lora", "far")}
    assert looks.questions(without, [("demo", 20)]) == [[Pair("far_control", "near", "demo", 20)]]


def test_at_several_budgets_each_row_stands_against_its_own() -> None:
    content = SPEC | {"budget": [1000, 4000]}
    rows = rows_of(read_spec(content), "s", Selection())
    lora = {key: "lora_1000" for key in ("near_1000", "far_1000")} | {
        key: "lora_4000" for key in ("near_4000", "far_4000")
    }
    methods, controls = looks.questions(rows, [("demo", 20)])
    assert {pair.row: pair.other for pair in methods} == lora
    assert {pair.row: pair.other for pair in controls} == {f"far_control_{b}": f"far_{b}" for b in (1000, 4000)}
    made = plan(read_spec(content), "s")
    assert {c.of for c in made if c.key == "far_control_4000"} == {"far_4000"}
    assert {c.of for c in made if c.key == "far_4000"} == {""}


def test_items_average_to_the_printed_loss() -> None:
    rows = [HeldoutLoss("a", "", 3.0, 2), HeldoutLoss("b", "", 10.0, 8)]
    losses = {(key, "demo", 20): {1: {row.sample: row for row in rows}} for key in ("near", "lora")}
    table = looks.tables(losses, Pair("near", "lora", "demo", 20))
    assert table is not None and table[0].mean() == mean_loss(rows) == 1.3


def test_the_user_may_ask_for_it() -> None:
    fixed = read_spec(SPEC | {"scales": {"s": SPEC["scales"]["s"] | {"seeds": [1, 2]}}})
    assert {c.look for c in plan(fixed, "s")} == {1}
    asked = plan(fixed, "s", Selection(seeds="auto"))
    assert {(c.seed, c.look) for c in asked if c.role == "final"} == {
        (seed, looks.look_of(seed)) for seed in looks.SEEDS
    }
