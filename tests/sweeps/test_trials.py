"""Seven trials: which rates they try, what they choose, and that another sweep may take them over."""

import hashlib
import json
import math
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
import stored
from test_identity import CONFIG
from test_run import JOBS, SPEC, Fake

from qft.errors import Diverged, QftError
from qft.records import (
    Cell,
    Choices,
    DataRecord,
    Identity,
    ModelRecord,
    RunDirectory,
    SweepPlan,
    Trial,
    read,
    write,
    write_json,
)
from qft.sweeps import cells, identity, trials
from qft.sweeps.attempt import attempt
from qft.sweeps.plan import plan
from qft.sweeps.run import PlannedSweep, run
from qft.sweeps.shared import Trials
from qft.sweeps.spec import read_spec

SEVEN = {**SPEC, "scales": {"s": {**SPEC["scales"]["s"], "search": {"n": 20}}}}
DEFAULT = 0.01
GRID = [0.001925, 0.005774, 0.01732, 0.05196]  # 0.01 times 3^(-3/2), ..., 3^(3/2)


def bowl(best: float) -> Any:
    """A loss that is lowest at a rate, as losses are: the same at equal factors on both sides."""
    return lambda lr, seed: 1 + math.log(lr / best) ** 2


class Measured(Fake):
    """A launcher whose trials have the loss that a function of rate and seed gives; None: it diverges."""

    def __init__(self, directory: Path, loss: Any) -> None:
        super().__init__(directory)
        self.loss = loss

    def run(self, cell: Cell) -> str | None:
        self.order.append(cell.name)

        def recipe(config: Any) -> None:
            loss = self.loss(cell.lr, cell.seed) if cell.role == "search" else 1.0
            if loss is None:
                raise Diverged("Diverged at step 3.")
            run = RunDirectory(cells.folder(self.directory, cell.name))
            (run / "adapter").mkdir(parents=True, exist_ok=True)
            (run / "adapter/adapter_model.safetensors").write_bytes(b"weights")
            data = DataRecord("demo", "d", "", 20, 18, 2, 50, 1280)
            model = ModelRecord("m", "m", "torch.float32", "chatml", "cpu", "m")
            training = stored.training(validation_loss=loss, lr=cell.lr)
            run.save(stored.record(cell.seed, training=training, data=data, model=model))
            run.finish()

        attempt(self.directory, cell, JOBS[cell.command], recipe)
        return None


def planned(names: str = "t") -> tuple[list[Cell], dict[str, Identity]]:
    made = plan(read_spec(SEVEN | {"name": names, "rows": {"lora": SPEC["rows"]["lora"]}}), "s")
    identities = {}
    for cell in made:
        if cell.role == "search":
            cell.lr = trials.first_rate(cell.trial, DEFAULT)
        config = CONFIG | {"seed": cell.seed, "trainer": {"lr": cell.lr}}
        identities[cell.name] = identity.identity(cell, config, "m", "d", 1, "cpu", cell.after)
        cell.id = hashlib.sha256(cell.name.encode()).hexdigest()
    return made, identities


def go(
    directory: Path, loss: Any, others: list[Path] | None = None, name: str = "t", retry: str | None = None
) -> tuple[Measured, list[Cell]]:
    made, identities = planned(name)
    directory.mkdir(exist_ok=True)
    launcher = Measured(directory, loss)
    steps = {c.name: 3 for c in made if c.command == "train"}
    run(
        PlannedSweep(directory, name, "s", "qft", made, steps, None, identities, Trials(others or [])),
        launcher,
        2,
        retry,
    )
    return launcher, made


def tried(directory: Path) -> list[tuple[float, int, float | None]]:
    (choice,) = read(directory / "choices.json", Choices).chosen
    return [(t.lr, t.seed, t.validation_loss) for t in choice.trials]


@pytest.mark.parametrize(
    ("best", "neighbours", "rival", "chosen", "edge"),
    [
        (0.01732, [0.01, 0.03], 0.01, 0.01732, False),  # at a rate of the grid; both neighbours are as far from it
        (0.06, [0.03, 0.09], 0.09, 0.05196, False),  # the hole of a grid 0.01, 0.03, 0.1
        (0.09, [0.03, 0.09], 0.05196, 0.09, True),  # beyond the last: the best is the highest that was tried
        (0.001, [0.001111, 0.003334], 0.001925, 0.001111, True),
    ],
)
def test_four_rates_both_neighbours_and_the_rival_again(
    best: float, neighbours: list[float], rival: float, chosen: float, edge: bool, tmp_path: Path
) -> None:
    _, made = go(tmp_path, bowl(best))
    found = tried(tmp_path)
    assert [lr for lr, *_ in found] == [*GRID, *neighbours, rival]
    assert [seed for _, seed, _ in found] == [100] * 6 + [101]
    (choice,) = read(tmp_path / "choices.json", Choices).chosen
    assert (choice.lr, choice.edge) == (chosen, edge)
    assert {c.lr for c in made if c.role == "final"} == {chosen} and {c.seed for c in made if c.role == "final"} == {
        0,
        1,
    }
    assert all(trial.seconds == 6.0 and trial.steps == 3 and trial.taken_from is None for trial in choice.trials)


def test_a_rival_that_does_better_on_the_second_seed_wins_by_its_mean(tmp_path: Path) -> None:
    def loss(lr: float, seed: int) -> float:
        return {0.01732: 1.0, 0.01: 1.1}.get(lr, 2.0) - (0.3 if seed == 101 else 0.0)

    go(tmp_path, loss)
    assert tried(tmp_path)[-1] == (0.01, 101, pytest.approx(0.8))
    (choice,) = read(tmp_path / "choices.json", Choices).chosen
    assert choice.lr == 0.01, "(1.1 + 0.8) / 2 is below 1.0"


def test_rates_that_diverge_are_never_chosen_and_still_bracket(tmp_path: Path) -> None:
    go(tmp_path, lambda lr, seed: None if lr > 0.02 else 1 / lr)
    assert tried(tmp_path)[2:] == [
        (0.01732, 100, pytest.approx(1 / 0.01732)), (0.05196, 100, None), (0.01, 100, 100.0), (0.03, 100, None),
        (0.01, 101, 100.0),
    ]  # fmt: skip
    (choice,) = read(tmp_path / "choices.json", Choices).chosen
    assert (choice.lr, choice.edge) == (0.01732, False)


def test_a_rival_that_diverges_on_the_second_seed_leaves_the_best(tmp_path: Path) -> None:
    go(tmp_path, lambda lr, seed: None if seed == 101 else bowl(0.0174)(lr, seed))
    assert tried(tmp_path)[-1][2] is None
    assert read(tmp_path / "choices.json", Choices).chosen[0].lr == 0.01732


def test_where_all_diverge_nothing_more_is_tried(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    launcher, _ = go(tmp_path, lambda lr, seed: None)
    assert len([name for name in launcher.order if "search" in name]) == 4
    assert not [name for name in launcher.order if "seed" in name]
    assert "no learning rate that was tried gave a finite loss" in caplog.text


def test_a_search_that_is_resumed_goes_on_where_it_was(tmp_path: Path) -> None:
    go(tmp_path, bowl(0.02))
    before = tried(tmp_path)
    for name in ("above", "again"):
        (cells.folder(tmp_path, f"t-search-lora-demo-{name}") / "cell.json").unlink()
    launcher, _ = go(tmp_path, bowl(0.02))
    assert launcher.order == ["t-search-lora-demo-above", "t-search-lora-demo-again"] and tried(tmp_path) == before


def test_what_was_decided_by_trials_that_were_run_again_is_run_again(tmp_path: Path) -> None:
    """Two rates diverged at first: neighbours, rival and final runs of other rates do not belong any more."""
    go(tmp_path, lambda lr, seed: None if lr > 0.01 else bowl(0.02)(lr, seed))
    before = tried(tmp_path)
    assert [lr for lr, *_ in before[4:]] == [0.003334, 0.01, 0.005774]
    launcher, made = go(tmp_path, bowl(0.02), retry="diverged")
    assert tried(tmp_path) == [
        *before[:2], *[(lr, 100, pytest.approx(bowl(0.02)(lr, 100))) for lr in (0.01732, 0.05196, 0.01, 0.03)],
        (0.03, 101, pytest.approx(bowl(0.02)(0.03, 101))),
    ]  # fmt: skip
    finals = [c for c in made if c.role == "final"]
    assert {c.lr for c in finals} == {0.01732} and {c.name for c in finals} <= set(launcher.order)
    assert go(tmp_path, bowl(0.02), retry="diverged")[0].order == []


def test_a_neighbour_that_diverged_keeps_its_rate_when_a_sweep_is_resumed(tmp_path: Path) -> None:
    go(tmp_path, lambda lr, seed: None if lr > 0.02 else 1 / lr)
    before = tried(tmp_path)
    (tmp_path / "choices.json").unlink()
    assert go(tmp_path, bowl(0.02))[0].order == [] and tried(tmp_path) == before


def test_identities_of_later_trials_say_which_they_are() -> None:
    made, identities = planned()
    by_trial = {c.trial: identities[c.name] for c in made if c.role == "search"}
    ids = {name: identity.digest(i) for name, i in by_trial.items()}
    assert len(set(ids.values())) == 7
    assert [i.trial for i in by_trial.values()] == [None] * 4 + ["below", "above", "again"]


def test_another_sweep_takes_the_trials_over(tmp_path: Path) -> None:
    go(tmp_path / "a", bowl(0.02))
    launcher, _ = go(tmp_path / "b", bowl(0.02), [tmp_path / "a"], "other")
    assert not [name for name in launcher.order if "search" in name]
    assert tried(tmp_path / "b") == tried(tmp_path / "a")
    (choice,) = read(tmp_path / "b/choices.json", Choices).chosen
    assert {trial.taken_from for trial in choice.trials} == {str(tmp_path / "a")}
    RunDirectory(cells.folder(tmp_path / "b", "other-search-lora-demo-rate1")).verify()
    again, _ = go(tmp_path / "b", bowl(0.02), [], "other")
    assert again.order == [], "a copy needs its source no more"


def test_a_sweep_that_runs_beside_another_takes_what_that_has_finished_meanwhile(tmp_path: Path) -> None:
    """While the second runs its first trials, the first runs its whole search: the second has only to finish those."""
    (tmp_path / "a").mkdir()
    write(tmp_path / "a/sweep.json", SweepPlan("t", "s", planned()[0]))
    once = threading.Lock()

    def meanwhile(lr: float, seed: int) -> float:
        with once:
            if not (tmp_path / "a/choices.json").exists():
                go(tmp_path / "a", bowl(0.02))
        return bowl(0.02)(lr, seed)

    go(tmp_path / "b", meanwhile, [tmp_path / "a"], "other")
    assert tried(tmp_path / "a") == tried(tmp_path / "b")
    (choice,) = read(tmp_path / "b/choices.json", Choices).chosen
    assert [bool(trial.taken_from) for trial in choice.trials] == [False] * 2 + [True] * 5, "two at a time had begun"


def test_a_trial_that_its_sweep_removes_meanwhile_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go(tmp_path / "a", bowl(0.02))
    gone = cells.folder(tmp_path / "a", "t-search-lora-demo-rate2")
    real = shutil.copyfile

    def copyfile(source: Any, target: Any, **options: Any) -> None:
        if Path(source).parent == gone:
            shutil.rmtree(gone)
        real(source, target, **options)

    monkeypatch.setattr(shutil, "copyfile", copyfile)
    launcher, _ = go(tmp_path / "b", bowl(0.02), [tmp_path / "a"], "other")
    assert [name for name in launcher.order if "search" in name] == ["other-search-lora-demo-rate2"]
    assert tried(tmp_path / "b")[1][:2] == (0.005774, 100)


def test_trials_of_other_code_data_or_options_are_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go(tmp_path / "a", bowl(0.02))
    monkeypatch.setitem(CONFIG, "max_seq_len", 64)
    launcher, _ = go(tmp_path / "b", bowl(0.02), [tmp_path / "a"])
    assert len([name for name in launcher.order if "search" in name]) == 7


@pytest.mark.parametrize("what", ["changed", "weights", "link", "lies"])
def test_what_was_altered_is_not_taken_but_named(what: str, tmp_path: Path) -> None:
    go(tmp_path / "a", bowl(0.02))
    run = cells.folder(tmp_path / "a", "t-search-lora-demo-rate2")
    record = run / "record.json"
    if what == "changed":
        record.write_text(record.read_text().replace('"steps": 3', '"steps": 4'))
    elif what == "weights":
        (run / "adapter/adapter_model.safetensors").write_bytes(b"others!")
    elif what == "link":
        (run / "adapter/more").symlink_to("/etc/passwd")
    else:  # of another base, and finished as such
        content = json.loads(record.read_text())
        content["model"]["fingerprint"] = "n"
        write_json(record, content)
        RunDirectory(run).finish()
    words = {"link": "is a link", "lies": "not what its sweep's plan says .base."}.get(
        what, "is damaged: not what it was"
    )
    with pytest.raises(QftError, match=words):
        go(tmp_path / "b", bowl(0.02), [tmp_path / "a"])
    assert not cells.folder(tmp_path / "b", "t-search-lora-demo-rate2").exists(), "nothing half-taken"


def test_a_place_that_is_no_sweep_is_refused(tmp_path: Path) -> None:
    with pytest.raises(QftError, match=r"search_from=.*is not a sweep directory"):
        Trials([tmp_path])


def test_choices_of_the_first_schema_are_read(tmp_path: Path) -> None:
    losses = {"0.01": 1.5, "0.03": None}
    old = {"label": "A", "data": "demo", "n": 20, "lr": 0.01, "edge": True, "validation_losses": losses}
    write_json(tmp_path / "choices.json", {"schema": 1, "grids": {"A": [0.01, 0.03]}, "chosen": [old]})
    (choice,) = read(tmp_path / "choices.json", Choices).chosen
    assert choice.trials == [Trial("", 0.01, 0, 1.5), Trial("", 0.03, 0, None)]
    for broken in (7, old | {"validation_losses": {"fast": 1.0}}, old | {"validation_losses": [1]}):
        write_json(tmp_path / "choices.json", {"schema": 1, "chosen": [broken]})
        with pytest.raises(QftError, match=r"choices\.json is damaged"):
            read(tmp_path / "choices.json", Choices)
