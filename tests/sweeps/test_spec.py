"""A sweep's yaml: read strictly, its controls filled in, compared fairly."""

from copy import deepcopy
from typing import Any

import pytest

from qft.errors import QftError
from qft.records import Cell
from qft.sweeps import fair
from qft.sweeps.plan import plan
from qft.sweeps.spec import read_spec

SPEC: dict[str, Any] = {
    "name": "mine",
    "rows": {
        "lora": {"label": "LoRA", "adapter": "lora"},
        "qwthn": {"label": "QWTHN", "adapter": "qwthn", "set": ["adapter.blocks=2"]},
        "no_circuit": {"of": "qwthn", "set": ["adapter.circuit=none", "adapter.r=2"]},
    },
    "scales": {"s": {"data": {"demo": []}, "n": [20], "seeds": [0, 1], "search": {"n": 20, "lr": [0.1, 0.2]}}},
}


def having(place: str, value: Any) -> dict[str, Any]:
    """The spec with something else at a place; ... takes it out."""
    content = deepcopy(SPEC)
    *path, last = place.split(".")
    inner = content
    for key in path:
        inner = inner[key]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return content


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        ("rows.lora.lable", "A", r"no key 'rows\.lora\.lable'\. Did you mean 'label'"),
        ("scales.s.search", ..., r"'scales\.s\.search' is missing"),
        ("scales.s.search.lr", 0.1, r"'scales\.s\.search\.lr' is 0\.1, not a list"),
        ("scales.s.search.lr", [], r"'scales\.s\.search\.lr' names nothing"),
        ("scales.s.n", ["a"], r"'scales\.s\.n\[0\]' is \"a\", not a whole number"),
        ("scales.s.seed", 1, r"no key 'scales\.s\.seed'\. Did you mean 'seeds'"),
        ("scales", ..., "'scales' is missing"),
        ("scales.s.rows", ["lora", "qwtn"], r"'scales\.s\.rows' names qwtn\. Did you mean 'qwthn'"),
        ("scales.s.rows", [], r"'scales\.s\.rows' names nothing"),
        ("scales.s.rows", ["lora", "lora"], r"'scales\.s\.rows' has lora twice"),
        ("rows", {}, "'rows' names nothing"),
        ("scales.s.n", [1], r"scales\.s\.n=1 must be a whole number, at least 2"),
        ("scales.s.seeds", [-1], r"scales\.s\.seeds=-1 must be"),
        ("scales.s.search.lr", [-0.1], r"scales\.s\.search\.lr=-0\.1 must be a finite number, above 0"),
        ("scales.s.seeds", [0, 0], r"'scales\.s\.seeds' has 0 twice"),
        ("rows.lora.label", "QWTHN", r"label' has QWTHN twice"),
        (
            "rows",
            {1: {"label": "A", "adapter": "lora"}},
            r"'rows' has the key 1, which is no text\. Write it in quotes: \"1\"",
        ),
        ("scales.s.seconds_per_step", -1, r"scales\.s\.seconds_per_step=-1 must be a finite number, above 0"),
        (
            "rows.b",
            {"of": "qwthn", "label": "B", "set": ["adapter.circuit=none", "adapter.r=2"]},
            "same runs as 'rows.no_ci",
        ),
        ("rows.b", {"of": "qwthn", "label": "B"}, r"'rows\.b' makes the same runs as 'rows\.qwthn'"),
        ("rows", [1], r"'rows' is \[1\], not a mapping"),
        ("rows.lora", None, r"'rows\.lora' is null, not a mapping"),
        ("rows.lora.label", ..., r"'rows\.lora\.label' is missing"),
        ("rows.lora.adapter", ..., r"'rows\.lora\.adapter' is missing"),
        ("rows.lora.lr_of", "qwtn", r"'rows\.lora' is of qwtn, which is no other row\. Did you mean 'qwthn'"),
        ("rows.no_circuit.of", "no_circuit", "no other row"),
        ("rows.no_circuit.adapter", "qtha", "gives no adapter"),
        ("rows.lora.varies", ["layer"], r"'rows\.lora\.varies\[0\]' is \"layer\"\. Did you mean 'layers'"),
        ("rows.lora.evaluate", {"x": {"set": []}}, r"'rows\.lora\.evaluate\.x\.variant' is missing"),
    ],
)
def test_what_is_wrong_in_a_yaml_is_one_sentence(place: str, value: Any, words: str) -> None:
    with pytest.raises(QftError, match=f"sweep mine: .*{words}"):
        read_spec(having(place, value))


def test_label_and_variant_of_a_control_follow_from_what_it_sets() -> None:
    row = read_spec(SPEC).rows["no_circuit"]
    assert (row.label, row.adapter) == ("QWTHN, no circuit, r 2", "qwthn")
    assert row.variant == {"circuit": "none", "r": 2}
    assert row.set == ["adapter.blocks=2", "adapter.circuit=none", "adapter.r=2"]
    assert read_spec(having("rows.no_circuit.label", "Mine")).rows["no_circuit"].label == "Mine"


def test_what_a_sweep_sets_itself_is_not_set_by_a_row() -> None:
    with pytest.raises(QftError, match=r"seed=3 cannot be set by the row lora: the sweep sets seed itself"):
        plan(read_spec(having("rows.lora.set", ["seed=3"])), "s")


def checked(content: dict[str, Any], **configs: dict[str, Any]) -> list[Cell]:
    """The planned cells, held to one another; ``configs``: row -> keys of its resolved config that are another."""
    spec = read_spec(content)
    cells = plan(spec, "s")
    composed = {}
    for cell in cells:
        target = {"lora": "peft.LoraConfig", "prefix": "peft.PrefixTuningConfig"}.get(str(cell.adapter))
        composed[cell.name] = {
            "model": {"target_modules": None},
            "adapter": {"_target_": target or "qft.adapters.qwthn.QWTHNConfig", "target_modules": None},
            "data": {"rows": None},
            "max_seq_len": 64,
            "trainer": {"epochs": 1, "max_steps": None, "batch_size": 8, "accumulation": 1},
        }
        for group, value in configs.get(cell.key, {}).items():
            composed[cell.name][group] = composed[cell.name][group] | value
    fair.check(spec.name, spec.rows, cells, composed)
    return cells


DIFFERENCES: dict[str, tuple[str, Any, dict[str, Any], str]] = {
    "layers": ("set", [], {"adapter": {"target_modules": ["q_proj"]}}, "q_proj; theirs: query and value"),
    "data": ("set", [], {"data": {"rows": "0:9"}}, "data.rows: None -> 0:9"),
    "search": (
        "search",
        {"n": 20, "lr": [0.1, 0.2, 0.3]},
        {},
        r"trials: \['lr0.1', 'lr0.2'\] -> \['lr0.1', 'lr0.2', 'lr0.3'\]",
    ),
    "seeds": ("seeds", [5], {}, "5; theirs: 0, 1"),
}


@pytest.mark.parametrize("kind", DIFFERENCES)
def test_a_row_that_differs_says_so_or_is_refused(kind: str) -> None:
    key, value, config, words = DIFFERENCES[kind]
    content = having(f"rows.lora.{key}", value)
    with pytest.raises(QftError, match=f"row lora differs from the others in {kind} on demo .*{words}.*varies"):
        checked(content, lora=config)
    content["rows"]["lora"]["varies"] = [kind]
    cells = checked(content, lora=config)
    assert {cell.key for cell in cells if cell.differs} == {"lora"}
    assert {tuple(cell.differs) for cell in cells if cell.differs} == {(kind,)}


def test_trials_of_another_length_are_another_search() -> None:
    with pytest.raises(QftError, match=r"row qwthn differs .* in search .*epochs: 1 -> 9"):
        checked(SPEC, qwthn={"trainer": {"epochs": 9}})


def test_a_method_that_takes_no_layers_has_its_own_and_need_not_say_so() -> None:
    cells = checked(having("rows.prefix", {"label": "Prefix", "adapter": "prefix"}))
    assert {cell.differs["layers"] for cell in cells if cell.key == "prefix"} == {
        "its own; theirs: query and value projections"
    }
    assert not [cell for cell in cells if cell.differs and cell.key != "prefix"]


def test_where_every_method_chooses_its_layers_none_differs() -> None:
    cells = checked(having("rows", {"prefix": {"label": "Prefix", "adapter": "prefix"}}))
    assert cells and not [cell for cell in cells if cell.differs]
