"""The order of a sweep, its choices, failures and stops, with a launcher that trains nothing."""

import hashlib
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import stored
from program import PATIENCE

from qft.config import EvalConfig, TrainConfig
from qft.errors import Diverged, QftError
from qft.process.signals import Stopped, listen, restore
from qft.records import Cell, RunDirectory
from qft.sweeps import cells
from qft.sweeps.attempt import attempt
from qft.sweeps.jobs import Job
from qft.sweeps.plan import Selection, plan
from qft.sweeps.run import PlannedSweep, locked, run
from qft.sweeps.search import choose
from qft.sweeps.slurm import Slurm
from qft.sweeps.slurm_setup import check, folder
from qft.sweeps.spec import read_spec
from qft.trust import Given

SPEC: dict[str, Any] = {
    "name": "t",
    "rows": {
        "lora": {"label": "LoRA", "adapter": "lora"},
        "qwthn": {
            "label": "QWTHN",
            "adapter": "qwthn",
            "evaluate": {"noise1": {"set": ["backend=noisy"], "variant": {"noise_scale": 1.0}}},
        },
    },
    "scales": {"s": {"data": {"demo": []}, "n": [20], "seeds": [0, 1], "search": {"n": 20, "lr": [0.1, 0.2, 0.3]}}},
}
JOBS = {"train": Job(TrainConfig(), Given()), "eval": Job(EvalConfig(), Given())}
# the search's validation losses by learning rate; None: it diverges
LOSSES: dict[str, float | None] = {"0.1": 2.0, "0.2": 1.0, "0.3": 3.0}


class Fake:
    """Writes what a run would; cells in ``broken`` fail, those in ``diverged`` end without a loss.

    ``at`` is called before each cell.
    """

    def __init__(self, directory: Path, broken: set[str] | None = None, diverged: set[str] | None = None) -> None:
        self.directory, self.broken, self.diverged = directory, broken or set(), diverged or set()
        self.afresh: list[str] = []
        self.order: list[str] = []
        self.stops: list[str] = []
        self.at: Any = lambda name: None

    def run(self, cell: Cell) -> str | None:
        self.order.append(cell.name)
        self.at(cell.name)

        def recipe(config: Any) -> None:
            if config.overwrite:
                self.afresh.append(cell.name)
            if cell.name in self.broken:
                raise QftError("It broke.")
            if cell.name in self.diverged:
                raise Diverged("Diverged at step 3.")
            loss = LOSSES[str(cell.lr)] if cell.role == "search" else 1.0
            if loss is None:
                raise Diverged("Diverged at step 3.")
            run = RunDirectory(cells.folder(self.directory, cell.name))
            run.save(stored.record(training=stored.training(validation_loss=loss)))

        attempt(self.directory, cell, JOBS[cell.command], recipe)
        return None

    def interrupt(self, number: int) -> None:
        self.stops.append(signal.Signals(number).name)

    def kill(self) -> None:
        self.stops.append("kill")


def planned() -> list[Cell]:
    made = plan(read_spec(SPEC), "s", Selection())
    for cell in made:
        cell.id = hashlib.sha256(cell.name.encode()).hexdigest()
    return made


def go(directory: Path, launcher: Any, workers: int = 1, retry: str | None = None) -> dict[str, str]:
    """Run the sweep; the states it leaves by name."""
    made = planned()
    run(
        PlannedSweep(directory, "t", "s", "qft sweep t", made, {c.name: 3 for c in made if c.command == "train"}),
        launcher,
        workers,
        retry,
    )
    found = {c.name: cells.read_state(directory, c.name) for c in made}
    return {name: state.state if state else "not run" for name, state in found.items()}


def losses(choice: dict[str, Any]) -> dict[float, float | None]:
    return {trial["lr"]: trial["validation_loss"] for trial in choice["trials"]}


def test_searches_come_first_and_finals_take_the_best_rate(tmp_path: Path) -> None:
    launcher = Fake(tmp_path)
    assert set(go(tmp_path, launcher).values()) == {"done"}
    kinds = ["search" if "search" in n else "base" if "base" in n else "noise" if "noise" in n else "final"
             for n in launcher.order]  # fmt: skip
    assert kinds == ["base"] + ["search"] * 6 + ["final"] * 4 + ["noise"] * 2
    sweep = json.loads((tmp_path / "sweep.json").read_text())
    assert {c["lr"] for c in sweep["cells"] if c["role"] == "final"} == {0.2}
    chosen = json.loads((tmp_path / "choices.json").read_text())
    assert [(c["label"], c["lr"], c["edge"]) for c in chosen["chosen"]] == [("LoRA", 0.2, False), ("QWTHN", 0.2, False)]
    assert losses(chosen["chosen"][0]) == {0.1: 2.0, 0.2: 1.0, 0.3: 3.0}
    assert {trial["seed"] for choice in chosen["chosen"] for trial in choice["trials"]} == {100}


def test_a_second_start_runs_nothing(tmp_path: Path) -> None:
    go(tmp_path, Fake(tmp_path))
    again = Fake(tmp_path)
    go(tmp_path, again)
    assert again.order == []


def test_the_number_of_workers_changes_nothing(tmp_path: Path) -> None:
    for workers in (1, 3):
        (tmp_path / str(workers)).mkdir()
        go(tmp_path / str(workers), Fake(tmp_path / str(workers)), workers)
    for name in ("sweep.json", "choices.json"):
        assert (tmp_path / "1" / name).read_text() == (tmp_path / "3" / name).read_text()


def test_a_search_that_diverged_is_never_chosen_and_ends_the_others_not(tmp_path: Path) -> None:
    best, only = "t-search-lora-demo-lr0.2", {f"t-search-qwthn-demo-lr{lr}" for lr in ("0.1", "0.2", "0.3")}
    states = go(tmp_path, Fake(tmp_path, diverged={best, *only}))
    assert [name for name, state in states.items() if state == "diverged"] == sorted([best, *only])
    chosen = json.loads((tmp_path / "choices.json").read_text())["chosen"]
    assert [(c["label"], c["lr"]) for c in chosen] == [("LoRA", 0.1)]
    assert losses(chosen[0]) == {0.1: 2.0, 0.2: None, 0.3: 3.0}
    assert states["t-lora-demo-n20-seed0"] == "done" and states["t-qwthn-demo-n20-seed0"] == "not run"


def test_an_altered_search_decides_nothing(tmp_path: Path) -> None:
    go(tmp_path, Fake(tmp_path))
    record = cells.folder(tmp_path, "t-search-lora-demo-lr0.1") / "record.json"
    RunDirectory(record.parent).finish()
    record.write_text(record.read_text().replace("2.0", "0.1"))
    with pytest.raises(QftError, match=r"record\.json is damaged: not what it was"):
        go(tmp_path, Fake(tmp_path))


@pytest.mark.parametrize("text", ["[]", "{}", '{"state": 1, "id": "x", "attempts": []}'])
def test_a_state_that_is_none_is_named(text: str, tmp_path: Path) -> None:
    (folder := cells.folder(tmp_path, "a")).mkdir(parents=True)
    (folder / "cell.json").write_text(text)
    with pytest.raises(QftError, match=r"cell\.json is damaged"):
        cells.read_state(tmp_path, "a")


def test_a_run_that_diverged_is_left_alone_until_it_is_retried(tmp_path: Path) -> None:
    name = "t-qwthn-demo-n20-seed1"
    states = go(tmp_path, Fake(tmp_path, diverged={name}))
    assert (states[name], states[f"{name}-noise1"]) == ("diverged", "not run")
    for retry in (None, "failed"):
        left_alone = Fake(tmp_path)
        assert go(tmp_path, left_alone, retry=retry)[name] == "diverged" and left_alone.order == []
    again = Fake(tmp_path)
    states = go(tmp_path, again, retry="diverged")
    assert again.order == [name, f"{name}-noise1"] and again.afresh == [name], "not resumed, but run afresh"
    assert set(states.values()) == {"done"}


def test_failures_are_kept_hold_back_what_builds_on_them_and_are_retried_on_demand(tmp_path: Path) -> None:
    bad = "t-search-lora-demo-lr0.1"
    states = go(tmp_path, Fake(tmp_path, {bad}))
    assert states[bad] == "failed"
    assert states["t-lora-demo-n20-seed0"] == "not run", "without the whole grid no rate is chosen"
    assert states["t-qwthn-demo-n20-seed0"] == "done"
    again = Fake(tmp_path)
    assert go(tmp_path, again)[bad] == "failed" and again.order == []
    assert set(go(tmp_path, Fake(tmp_path), retry="failed").values()) == {"done"}
    state = cells.read_state(tmp_path, bad)
    assert state is not None and [a.error for a in state.attempts] == ["It broke.", None]


def test_a_process_that_dies_without_a_word_fails_its_cell_alone(tmp_path: Path) -> None:
    class Dies(Fake):
        def run(self, cell: Cell) -> str | None:
            if cell.name == "t-lora-demo-n20-seed0":
                cells.begin(self.directory, cell)
                return "its process was killed (SIGKILL)"
            return super().run(cell)

    states = go(tmp_path, Dies(tmp_path))
    assert [n for n, s in states.items() if s != "done"] == ["t-lora-demo-n20-seed0"]
    state = cells.read_state(tmp_path, "t-lora-demo-n20-seed0")
    assert state is not None and "SIGKILL" in str(state.error) and state.state == "failed"


def test_a_killed_sweep_finds_its_cells_interrupted(tmp_path: Path) -> None:
    cells.begin(tmp_path, planned()[0])
    go(tmp_path, Fake(tmp_path))
    state = cells.read_state(tmp_path, planned()[0].name)
    assert state is not None and [a.state for a in state.attempts] == ["interrupted", "done"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_told_to_stop_once_it_starts_nothing_new_ctrl_c_after_that_kills(
    number: signal.Signals, tmp_path: Path
) -> None:
    launcher = Fake(tmp_path)

    def at(name: str) -> None:
        for k, sent in enumerate((number, signal.SIGINT)):  # during the first cell
            os.kill(os.getpid(), sent)
            deadline = time.monotonic() + PATIENCE
            while len(launcher.stops) <= k and time.monotonic() < deadline:
                time.sleep(0.01)

    launcher.at = at
    before = listen()
    try:
        with pytest.raises(Stopped, match=number.name):
            go(tmp_path, launcher)
    finally:
        restore(before)
    assert launcher.stops == [number.name, "kill"] and len(launcher.order) == 1


def test_one_sweep_a_directory(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(QftError, match="in use"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_no_finite_loss_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for rate in LOSSES:
        monkeypatch.setitem(LOSSES, rate, None)
    states = go(tmp_path, Fake(tmp_path))
    assert states["t-lora-demo-n20-seed0"] == "not run"
    assert len(choose(tmp_path, planned())) == 2


def recipe(config: TrainConfig | EvalConfig) -> None:
    """Stands for a training or an evaluation in a Slurm job."""
    place = Path(config.out or "") if isinstance(config, EvalConfig) else Path(config.output_dir, config.run or "")
    RunDirectory(place).save(stored.record())


def test_slurm_jobs_leave_the_same_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qft.sweeps.jobs.run", recipe)
    monkeypatch.setattr("qft.sweeps.slurm.start_logging", lambda verbose: None)  # "debug" runs its jobs in this process
    launcher = Slurm(tmp_path, {cell.name: JOBS[cell.command] for cell in planned()}, 1, {"cluster": "debug"})
    assert set(go(tmp_path, launcher, workers=2).values()) == {"done"}
    assert launcher.running == set()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"foo": 1}, "no option slurm.foo"),
        ({"partition": "gpu"}, "'slurm.slurm_partition'"),
        ({"timeout_min": "long"}, "slurm.timeout_min=long should be of type int"),
        ({"nodes": True}, "slurm.nodes=True should be of type int"),
        ({"cluster": "nonesuch"}, "slurm.cluster=nonesuch"),
    ],
)
def test_wrong_options_of_slurm_are_one_sentence(options: dict[str, Any], words: str) -> None:
    with pytest.raises(QftError, match=words):
        check({"cluster": "local"} | options)


def test_a_stranger_cannot_name_the_folder_that_answers_of_jobs_are_read_from(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """They are pickles; a sweep directory of a stranger's may hold any, for every number a job can have."""
    (tmp_path / "sweep").mkdir()
    mine = folder(tmp_path / "sweep")
    assert mine == folder(tmp_path / "sweep/../sweep") and mine.is_relative_to(tmp_path / "sweep/.slurm")
    assert mine != folder(tmp_path)
    launcher = Slurm(tmp_path / "sweep", {}, 1, {"cluster": "debug"})
    assert launcher.executor.folder == mine
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "theirs"))
    assert folder(tmp_path / "sweep") != mine
    assert (tmp_path / "theirs/qft/key").stat().st_mode & 0o777 == 0o600


def test_slurm_without_a_cluster_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(QftError, match="no sbatch"):
        check({})
