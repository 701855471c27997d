"""The budget of a sweep: met when it is planned, the same setting for a control, and nobody is left out unsaid."""

import json
from copy import deepcopy
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from program import qft_here
from test_spec import checked

from qft.compose import typed
from qft.config import TrainConfig
from qft.errors import QftError
from qft.records import Cell, LeftOut, SweepPlan, read
from qft.sweeps import budgets, cells, fair
from qft.sweeps.plan import Selection, plan, rows_of, sizing
from qft.sweeps.spec import read_spec

SPEC: dict[str, Any] = {
    "name": "mine",
    "budget": 10_000,
    "rows": {
        "lora": {"label": "LoRA", "adapter": "lora"},
        "dora": {"label": "DoRA", "adapter": "dora", "optional": True},
        "qwthn": {"label": "QWTHN", "adapter": "qwthn"},
        "no_circuit": {"of": "qwthn", "set": ["adapter.circuit=none"]},
        "full": {"label": "Full", "adapter": "full", "varies": ["budget"]},
    },
    "scales": {
        "s": {
            "data": {"demo": ["model=demo"]},
            "n": [20],
            "seeds": [0],
            "search": {"n": 20, "lr": [0.1]},
            "set": ["trainer.max_steps=1", "evaluation.limit=2", "evaluation.max_new_tokens=4"],
        }
    },
}


def planned(
    row: dict[str, Any] | None = None, selection: Selection | None = None, **keys: Any
) -> tuple[list[Cell], list[LeftOut]]:
    """The cells of the sweep with other keys of the file and one row more, or in place of another."""
    content = deepcopy(SPEC) | keys
    content["rows"] |= row or {}
    spec, selection = read_spec(content), selection or Selection()
    rows = rows_of(spec, "s", selection)

    def compose(command: str, overrides: Any) -> TrainConfig:
        return typed.compose(command, TrainConfig, overrides)

    return budgets.meet("mine", rows, plan(spec, "s", selection), sizing(spec, "s", selection), compose)


def sizes(cells: list[Cell]) -> dict[str, tuple[str, int, int] | None]:
    return {c.key: c.size and (c.size.option, c.size.value, c.size.trainable) for c in cells if c.role == "final"}


def test_each_row_has_the_largest_setting_within_the_budget_and_says_it() -> None:
    remaining, left_out = planned()
    assert sizes(remaining) == {
        "lora": ("r", 1, 9_344),
        "qwthn": ("bond_dim", 1, 7_168),
        "no_circuit": ("bond_dim", 1, 6_944),  # the setting of its row
        "full": None,
    }
    trained = [c for c in remaining if c.key == "no_circuit" and c.command == "train"]
    assert len(trained) == 2
    assert all({"adapter.bond_dim=1", "adapter.circuit=none"} <= set(c.overrides) for c in trained)
    assert not any(o.startswith("budget=") for c in remaining for o in c.overrides), "they state the value itself"
    assert [(row.key, row.budget) for row in left_out] == [("dora", 10_000)]
    assert "at least 14,208 parameters" in left_out[0].why


def test_a_control_that_is_larger_by_what_it_sets_says_so() -> None:
    larger = {"large": {"of": "qwthn", "set": ["adapter.circuit=polynomial"], "varies": ["budget"]}}
    remaining, _ = planned(larger, Selection(rows=["qwthn", "large"]))
    assert sizes(remaining) == {"qwthn": ("bond_dim", 1, 7_168), "large": ("bond_dim", 1, 16_016)}
    rows = rows_of(read_spec(SPEC | {"rows": SPEC["rows"] | larger}), "s", Selection(rows=["qwthn", "large"]))
    configs = {c.name: typed.compose("train", TrainConfig, c.overrides) for c in remaining if c.command == "train"}
    plain = {name: json.loads(json.dumps(asdict(config))) for name, config in configs.items()}
    fair.check("mine", rows, remaining, plain, [10_000])
    assert {c.key: c.differs for c in remaining if c.differs} == {
        "large": {"budget": "16,016 parameters in a budget of 10,000; theirs: 10,000"}
    }
    with pytest.raises(QftError, match="the row large differs from the others in budget"):
        fair.check("mine", rows | {"large": replace(rows["large"], varies=[])}, remaining, plain, [10_000])


def test_a_control_has_the_setting_of_its_row_where_that_row_is_not_chosen() -> None:
    remaining, _ = planned(selection=Selection(rows=["no_circuit"], budget=[20_000]))
    assert sizes(remaining) == {"no_circuit": ("bond_dim", 3, 15_232)}


def test_several_budgets_are_a_row_for_each() -> None:
    lent = {"lent": {"label": "Lent", "adapter": "lora", "lr_of": "qwthn"}}
    remaining, left_out = planned(lent, budget=[10_000, 20_000])
    assert sizes(remaining) == {
        "lora_10000": ("r", 1, 9_344),
        "lora_20000": ("r", 2, 18_688),
        "dora_20000": ("r", 1, 14_208),
        "qwthn_10000": ("bond_dim", 1, 7_168),
        "qwthn_20000": ("bond_dim", 3, 15_456),
        "no_circuit_10000": ("bond_dim", 1, 6_944),
        "no_circuit_20000": ("bond_dim", 3, 15_232),
        "full": None,
        "lent_10000": ("r", 1, 9_344),
        "lent_20000": ("r", 2, 18_688),
    }
    assert {c.label for c in remaining if c.key == "lora_20000"} == {"LoRA within 20,000"}
    assert next(c.after for c in remaining if c.key == "lent_20000") == ["mine-search-qwthn_20000-demo-lr0.1"]
    assert [row.key for row in left_out] == ["dora_10000"]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"dora": {"label": "DoRA", "adapter": "dora"}}, "row dora on demo: .*at least 14,208 .*optional: true"),
        ({"full": {"label": "Full", "adapter": "full"}}, "row full on demo: .*varies: "),
        (
            {"r": {"label": "R", "adapter": "lora", "set": ["adapter.r=2"]}},
            r"row r on demo: adapter\.r=2 is what budget=10000 chooses \(lora: adapter\.r=1, 9,344 parameters\)",
        ),
        ({"r": {"of": "lora", "set": ["adapter.r=2"]}}, r"row r on demo: adapter\.r=2 is what its budget chooses"),
        ({"r": {"label": "R", "adapter": "lora", "set": ["budget=2"]}}, "budget=2 cannot be set by the row r"),
        (
            {"r": {"label": "R", "adapter": "lora", "lr_of": "dora"}},
            "row r on demo: it takes .* dora, which is left out",
        ),
        (
            {"r": {"label": "R", "adapter": "lora", "budget": 0}},
            r"rows\.r\.budget=0 must be a whole number, at least 1",
        ),
    ],
)
def test_a_row_that_cannot_meet_its_budget_is_refused(row: dict[str, Any], words: str) -> None:
    with pytest.raises(QftError, match=f"sweep mine: .*{words}|{words}"):
        planned(row)


def test_a_row_can_be_made_smaller_by_its_layers() -> None:
    remaining, _ = planned(
        {"few": {"label": "Few", "adapter": "lora", "set": ["adapter.r=1"], "budget_knob": "layers"}},
        Selection(rows=["few"], budget=[5_000]),
    )
    assert sizes(remaining) == {"few": ("last_layers", 2, 4_672)}
    trained = next(c for c in remaining if c.role == "final")
    assert "++adapter.last_layers=2" in trained.overrides, "an option that the yaml of LoRA does not have"
    assert typed.compose("train", TrainConfig, trained.overrides).adapter["last_layers"] == 2


def test_a_method_that_no_row_has_is_left_out_where_it_is_too_large() -> None:
    content = {key: value for key, value in SPEC.items() if key != "rows"} | {"rows": {"lora": SPEC["rows"]["lora"]}}
    content["scales"] = {"s": SPEC["scales"]["s"] | {"every_method": True}}
    spec = read_spec(content, lambda: ["dora", "ia3", "vera"])
    rows = rows_of(spec, "s", Selection())
    remaining, left_out = budgets.meet(
        "mine",
        rows,
        plan(spec, "s"),
        sizing(spec, "s", Selection()),
        lambda _, o: typed.compose("train", TrainConfig, o),
    )
    assert set(sizes(remaining)) == {"lora", "vera"}
    assert [row.key for row in left_out] == ["dora", "ia3"]


def test_where_all_are_left_out_nothing_is_planned() -> None:
    with pytest.raises(QftError, match="no row is left; adapter=dora has at least"):
        planned(selection=Selection(rows=["dora"]))


def test_a_budget_of_its_own_is_declared() -> None:
    rows = SPEC["rows"] | {"lora": {"label": "LoRA", "adapter": "lora", "budget": 20_000}}
    with pytest.raises(QftError, match=r"row lora differs .* in budget on demo \(20,000; theirs: none\)"):
        checked(SPEC | {"rows": {k: v for k, v in rows.items() if k in ("lora", "qwthn", "no_circuit")}})


def test_what_is_left_out_now_leaves_the_plan_and_is_named_there(tmp_path: Path) -> None:
    remaining, left_out = planned()
    before = [*remaining, Cell("mine-dora", "final", "DoRA", "dora", "demo", 20, 0, [], key="dora")]
    cells.save_plan(tmp_path, "mine", "s", "", before)
    cells.save_plan(tmp_path, "mine", "s", "", remaining, left_out=left_out)
    cells.save_plan(tmp_path, "mine", "s", "", [c for c in remaining if c.key == "lora"])  # a part of it, run again
    plan = read(tmp_path / SweepPlan.FILE, SweepPlan)
    assert "dora" not in {c.key for c in plan.cells} and plan.left_out == left_out
    cells.save_plan(tmp_path, "mine", "s", "", before)
    assert not read(tmp_path / SweepPlan.FILE, SweepPlan).left_out


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The sweep of LoRA and DoRA as a user's file; the words that start it."""
    monkeypatch.chdir(tmp_path)
    Path("configs/sweep").mkdir(parents=True)
    kept = {"rows": {key: row for key, row in SPEC["rows"].items() if key in ("lora", "dora")}}
    content = {key: value for key, value in SPEC.items() if key != "name"} | kept
    Path("configs/sweep/mine.yaml").write_text(json.dumps(content))
    return ["sweep", "mine", "scale=s", "workers=1"]


def test_a_dry_run_says_what_each_row_gets(written: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert qft_here(*written, "budget=10100", "--dry-run", "format=json") == 0
    dry = json.loads(capfd.readouterr().out)
    assert [row["key"] for row in dry["left_out"]] == ["dora"]
    assert {(c["size"]["budget"], c["size"]["value"]) for c in dry["cells"] if c["adapter"]} == {(10_100, 1)}
    assert qft_here(*written, "budget=[10100,0]", "--dry-run") == 2
    assert "budget=0 must be a whole number, at least 1" in capfd.readouterr().err


@pytest.mark.extended
def test_run_and_report_say_it_and_only_the_setting_decides(
    written: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert qft_here(*written) == 0
    assert "left out: DoRA on demo: adapter=dora has at least 14,208 parameters" in capfd.readouterr().err
    directory = Path("outputs/sweeps/mine-s")
    run = json.loads((directory / "identities.json").read_text())["cells"]["mine-lora-demo-n20-seed0"]["config"]
    assert run["adapter"]["r"] == 1 and run["budget"] is None
    assert qft_here(*written, "budget=9500") == 0  # another budget, the same setting
    assert "start" not in capfd.readouterr().err.rpartition("at a time")[2], "nothing was run again"
    assert qft_here("report", str(directory), "markdown=r.md") == 0
    page = Path("r.md").read_text()
    assert "| LoRA | demo | 9,500 | r=1 | 9,344 | 98.4 % |" in page
    assert "| DoRA | demo | 9,500 | – | left out | – |" in page
    assert "because no setting is within the budget: DoRA on demo" in page
