"""The named sweeps and what a user changes of them."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from qft import records
from qft.cli.main import load_command
from qft.compose import configs, typed
from qft.config import ParamsConfig
from qft.errors import QftError
from qft.models.count import count
from qft.records import Cell, Choices, read, write
from qft.sweeps.estimate import steps_of
from qft.sweeps.plan import Selection, plan
from qft.sweeps.search import choose
from qft.sweeps.spec import Spec, read_spec

NAMES = configs.groups()["sweep"]
SCALES = ("paper", "demo", "smoke")


def spec(name: str) -> Spec:
    content: Any = OmegaConf.to_container(OmegaConf.load(configs.find(f"sweep/{name}") or ""))
    return read_spec(content | {"name": name}, configs.methods)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", SCALES)
def test_comparisons_are_fair(name: str, scale: str) -> None:
    cells = plan(spec(name), scale)
    assert len({c.name for c in cells}) == len(cells)
    grids: dict[tuple[str, str], list[str]] = {}
    for c in (c for c in cells if c.role == "search"):
        assert not c.test and c.seed == (101 if c.trial == "again" else 100) and "++data.heldout=0" in c.overrides
        grids.setdefault((c.label, c.data), []).append(c.trial)
    assert len({tuple(g) for g in grids.values()}) == 1, "every method is searched by the same trials"
    finals = [c for c in cells if c.role == "final" and c.command == "train"]
    assert (
        len({frozenset((c.n, c.seed) for c in finals if c.label == label) for label in {c.label for c in finals}}) == 1
    )
    assert all(set(c.after) <= {s.name for s in cells if s.role == "search"} and c.after for c in finals)
    assert {(c.data, c.n) for c in finals} == {(c.data, c.n) for c in cells if c.role == "base"}
    assert all("trainer.lr" not in o for c in finals for o in c.overrides)
    if scale != "smoke":
        assert all(len(g) == 7 for g in grids.values()) and {c.seed for c in finals} == {1, 2, 3, 4, 5}
        assert {c.n for c in cells if c.role == "search"} == {300}
    if any(c.adapter in ("qwthn", "qtha", "qaa") for c in finals):
        assert any(c.label in ("LoRA r=1", "LoRA r=3") for c in finals), "a LoRA of matched size stands beside it"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", SCALES)
def test_every_cell_composes(name: str, scale: str) -> None:
    """At one scale each row once; what a data set and a scale set is the same for all rows, and composed with one."""
    seen = set()
    for cell in plan(spec(name), scale):
        keys = {(cell.command, cell.role, cell.data)}
        if scale == "demo":
            keys.add((cell.command, cell.label, str(cell.variant)))
        if not keys <= seen:
            seen |= keys
            config = typed.compose(cell.command, load_command(cell.command).config, cell.overrides)
            assert (config.n, config.seed) == (cell.n, cell.seed) or cell.after
            assert config.evaluation.max_new_tokens < (config.max_seq_len or 1024), "a prompt needs room too"


def test_table1_is_the_grid_of_the_paper() -> None:
    finals = [c for c in plan(spec("table1"), "demo") if c.role == "final"]
    assert len(finals) == 4 * 2 * 3 * 5
    assert Counter(c.n for c in finals) == {300: 40, 600: 40, 1000: 40}
    assert {c.label for c in finals} == {"LoRA r=4", "LoRA r=1", "QuanTA", "QWTHN"}


def test_the_survey_has_its_steps_and_answers() -> None:
    cells = [c for c in plan(spec("survey"), "paper") if c.command == "train"]
    for cell in cells:
        assert {"model=gpt_neo_125m", "trainer.max_steps=1000", "evaluation.limit=100"} <= set(cell.overrides)
    assert {c.adapter for c in cells} == {"full", "lora", "sora", "prefix", "qaa"}


def test_the_noise_sweep_has_its_scales_and_shots() -> None:
    evaluated = [c for c in plan(spec("noise"), "demo") if c.role == "final" and c.command == "eval"]
    settings = {(c.variant["trained"], c.variant["noise_scale"], c.variant["shots"]) for c in evaluated}
    for trained in ("exact", "noisy"):
        assert {(trained, s, None) for s in (0.0, 0.5, 1.0, 2.0)} | {(trained, 1.0, k) for k in (100, 1000)} <= settings
    assert all(len(c.after) == 1 and f"backend.scale={c.variant['noise_scale']:g}" in c.overrides for c in evaluated)


def test_the_ablation_runs_every_control() -> None:
    variants = [(c.adapter, tuple(c.variant.items())) for c in plan(spec("ablation"), "demo") if c.role == "final"]
    for adapter in ("qwthn", "qtha"):
        for control in (
            *(("circuit", x) for x in ("none", "constants", "silu", "polynomial")),
            *((x, False) for x in ("entangle", "train_angles", "mpo", "classical_path")),
            ("shuffle", True),
        ):
            assert variants.count((adapter, (control,))) == 5, (adapter, control)


def test_the_pareto_sweep_runs_every_method_of_the_library_at_its_smallest() -> None:
    files = {name: (configs.packaged() / f"adapter/{name}.yaml").read_text() for name in configs.groups()["adapter"]}
    known = {name for name, text in files.items() if "_target_:" in text} - {"peft"}  # which needs a type
    smoke = [c for c in plan(spec("pareto"), "smoke") if c.role == "final"]
    assert {c.adapter for c in smoke} == known and len(known) > 35
    for scale in ("demo", "paper"):
        finals = [c for c in plan(spec("pareto"), scale) if c.role == "final"]
        assert len({c.label for c in finals}) == 14
        assert all(any(o.startswith("evaluation.forgetting=") for o in c.overrides) for c in finals)
    chosen = plan(spec("pareto"), "demo", Selection(rows=["vera"]))
    assert {c.key for c in chosen if c.role == "final"} == {"vera"}, "rows= reaches those a scale leaves out"


@pytest.mark.parametrize("model", ["demo", "qwen2_7b_instruct"])
def test_rank_one_is_the_lora_nearest_to_qwthn(model: str) -> None:
    def trainable(*overrides: str) -> int:
        config = typed.compose("params", ParamsConfig, [f"model={model}", *overrides])
        return count(config.model, config.adapter).trainable

    quantum = trainable("adapter=qwthn")
    loras = {r: trainable("adapter=lora", f"adapter.r={r}") for r in (1, 2, 3)}
    assert min(loras, key=lambda r: abs(loras[r] - quantum)) == 1


@pytest.mark.parametrize(("model", "nearest"), [("demo", "lora_r2_qv"), ("gpt_neo_125m", "lora_r3")])
def test_a_lora_of_qaas_size_stands_beside_it(model: str, nearest: str) -> None:
    rows = spec("survey").rows

    def trainable(row: str) -> int:
        config = typed.compose(
            "params", ParamsConfig, [f"model={model}", f"adapter={rows[row].adapter}", *rows[row].set]
        )
        return count(config.model, config.adapter).trainable

    assert 0.85 < trainable(nearest) / trainable("qaa") < 1.15


def test_a_user_chooses_parts_places_and_options() -> None:
    selection = Selection(
        rows=["lora"],
        datasets=["cpsycoun"],
        n=[40],
        seeds=[5],
        paths={"cpsycoun": "/x"},
        options=["model.path=/m", "trainer.epochs=2"],
    )
    cells = plan(spec("table1"), "demo", selection)
    assert [c.role for c in cells] == ["base", *["search"] * 7, "final"]
    for cell in cells:
        assert {"data=cpsycoun", "data.path=/x", "model=local", "model.path=/m"} <= set(cell.overrides)
        assert len({o.partition("=")[0] for o in cell.overrides}) == len(cell.overrides), "one value a key"
    assert "trainer.epochs=2" in cells[-1].overrides and "n=40" in cells[-1].overrides
    assert not any(o.startswith(("trainer", "adapter")) for o in cells[0].overrides), "the base is not trained"


def test_options_of_metrics_reach_every_cell_that_is_scored() -> None:
    for name in ("survey", "noise"):
        cells = plan(spec(name), "demo", Selection(options=["metric.bertscore.model=DIR"]))
        assert all("metric.bertscore.model=DIR" in c.overrides for c in cells), name


@pytest.mark.parametrize(
    ("scale", "selection", "words"),
    [
        ("dmeo", Selection(), ["scale=dmeo", "'demo'"]),
        ("demo", Selection(rows=["qwtn"]), ["qwtn", "'qwthn'"]),
        ("demo", Selection(paths={"cpsycoun": "x"}), ["paths.cpsycoun", "demo_talk"]),
    ],
)
def test_wrong_names_are_refused(scale: str, selection: Selection, words: list[str]) -> None:
    with pytest.raises(QftError) as error:
        plan(spec("table1"), scale, selection)
    assert all(word in str(error.value) for word in words)


def test_a_row_that_borrows_its_rate_needs_the_lender() -> None:
    with pytest.raises(QftError, match="qwthn_shuffled"):
        plan(spec("ablation"), "demo", Selection(rows=["qwthn_shuffled"]))


def test_steps_are_those_of_the_trainer() -> None:
    config = {"n": 300, "trainer": {"max_steps": None, "batch_size": 8, "accumulation": 1, "epochs": 3.0}}
    assert steps_of(config) == 102  # 270 samples, 34 batches, three times
    assert steps_of(config | {"n": 5}) == 3
    assert steps_of(config | {"trainer": config["trainer"] | {"max_steps": 7}}) == 7  # type: ignore[operator]


def test_choices_of_rows_that_are_not_planned_now_are_kept(tmp_path: Path) -> None:
    tried = [records.Trial("s", 0.1, 100, 1.0)]
    chosen = [records.Choice(label, "demo", 20, 0.1, True, tried) for label in ("A", "B")]
    write(tmp_path / "choices.json", Choices(chosen))
    searched = Cell("s", "search", "A", "lora", "demo", 20, 0, [], 0.1, test=False, trial="lr0.1")
    choose(tmp_path, [searched, Cell("f", "final", "A", "lora", "demo", 20, 0, [], after=["s"])])
    left = read(tmp_path / "choices.json", Choices)
    assert [c.label for c in left.chosen] == ["B"], "the search of A has not been run"


def test_the_users_trust_goes_to_every_cell() -> None:
    made = plan(spec("noise"), "smoke", Selection(options=["trust_configs=true"]))
    assert {(cell.role, cell.command) for cell in made} >= {("base", "eval"), ("search", "train"), ("final", "eval")}
    assert all("trust_configs=true" in cell.overrides for cell in made)


def test_further_training_subsets_share_the_search_of_the_first() -> None:
    made = plan(spec("table1"), "demo", Selection(rows=["lora"], datasets=["demo_talk"], n=[300], seeds=[1], subsets=3))
    searches = [c for c in made if c.role == "search"]
    finals = {c.data: c for c in made if c.role == "final"}
    assert len(searches) == 7 and {c.data for c in searches} == {"demo_talk"}
    assert [*finals] == ["demo_talk", "demo_talk-subset1", "demo_talk-subset2"]
    assert all(c.after == [s.name for s in searches] for c in finals.values())
    assert "++data.subset=2" in finals["demo_talk-subset2"].overrides
    assert {c.data for c in made if c.role == "base"} == set(finals), "each has a validation part of its own"
    with pytest.raises(QftError, match=r"data\.subset=1 cannot be given to every cell"):
        plan(spec("table1"), "demo", Selection(options=["data.subset=1"]))


def test_runs_smaller_than_their_search_are_not_compared_on_its_samples() -> None:
    cells = plan(spec("table1"), "demo", Selection(n=[60, 300]))
    beside = {(c.role, c.n): "++data.searched=300" in c.overrides for c in cells}
    assert beside == {("search", 300): False, **{(role, n): n == 60 for role in ("base", "final") for n in (60, 300)}}
