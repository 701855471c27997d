"""What a cell is, what became of it, and who may run it."""

import pickle
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from qft import trust
from qft.config import EvalConfig, TrainConfig
from qft.errors import QftError
from qft.records import Cell, CellState, SweepPlan, read, write_json
from qft.sweeps import cells
from qft.sweeps.attempt import attempt, free
from qft.sweeps.jobs import Config, Job, compose_jobs, located

JOB = Job(TrainConfig(), trust.Given())


def cell(name: str = "a", **options: Any) -> Cell:
    return Cell(**{"role": "final", "label": "A", "adapter": "lora", "data": "demo", "n": 20, "seed": 0, **options,
                   "name": name, "overrides": options.get("overrides", ["adapter=lora"])})  # fmt: skip


def test_a_part_that_is_planned_again_keeps_the_rest(tmp_path: Path) -> None:
    def plan(*names: str, **options: Any) -> dict[str, Any]:
        cells.save_plan(tmp_path, "s", "demo", f"qft sweep {' '.join(names)}", [cell(n) for n in names], **options)
        content = read(tmp_path / "sweep.json", SweepPlan)
        return {"command": content.command, "cells": [c.name for c in content.cells]}

    whole = plan("a", "b", "c")
    assert plan("b") == whole and plan("a", "b", "c") == whole
    wider = plan("a", "d")
    assert wider["cells"] == ["a", "d", "b", "c"] and wider["command"] == "qft sweep a b c && qft sweep a d"
    assert plan("a", "d") == wider
    assert plan("b", afresh=True)["cells"] == ["b"]
    cells.save_plan(tmp_path, "other", "demo", "qft sweep other", [cell("z")])
    assert [c.name for c in read(tmp_path / "sweep.json", SweepPlan).cells] == ["z"], "another sweep is not mixed in"


def outcome(tmp_path: Path, *errors: BaseException | None) -> CellState:
    """cell.json after attempts that end with these errors."""
    for error in errors:

        def recipe(config: TrainConfig, error: BaseException | None = error) -> None:
            if error is not None:
                raise error

        if isinstance(error, KeyboardInterrupt):
            with pytest.raises(KeyboardInterrupt):
                attempt(tmp_path, cell(id="i"), JOB, recipe)
        else:
            attempt(tmp_path, cell(id="i"), JOB, recipe)
    state = cells.read_state(tmp_path, "a")
    assert state is not None and state.attempts[-1].ended
    return state


def test_every_attempt_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = outcome(tmp_path, QftError("No memory."), ValueError("odd"), KeyboardInterrupt(), None)
    assert [a.state for a in state.attempts] == ["failed", "failed", "interrupted", "done"]
    assert [a.error for a in state.attempts] == ["No memory.", "ValueError: odd", None, None]
    assert (state.state, state.error, state.id) == ("done", None, "i")
    assert "ValueError: odd" in capsys.readouterr().err, "the traceback of what is no user's error is kept"


def test_a_finished_cell_is_left_alone(tmp_path: Path) -> None:
    state = outcome(tmp_path, None, None)
    assert len(state.attempts) == 1


def test_an_attempt_whose_process_is_gone_was_interrupted(tmp_path: Path) -> None:
    one = cell(id="i")
    cells.begin(tmp_path, one)
    assert not cells.done(tmp_path, one)
    attempt(tmp_path, one, JOB, lambda config: None)
    state = cells.read_state(tmp_path, "a")
    assert state is not None and [a.state for a in state.attempts] == ["interrupted", "done"]


def test_a_stopped_process_still_holds_its_cell(tmp_path: Path) -> None:
    code = "import sys, time, pathlib; from qft.sweeps.attempt import held\n"
    code += f"with held(pathlib.Path({str(tmp_path)!r}), 'a'): print('held', flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    process.send_signal(signal.SIGSTOP)
    assert not free(tmp_path, "a") and free(tmp_path, "b")
    process.kill()
    process.wait()
    process.stdout.close()
    assert free(tmp_path, "a")


def test_a_cell_is_located_in_its_sweep_with_the_chosen_rate(tmp_path: Path) -> None:
    odd = tmp_path / "it's a, {place}=1"
    final = located(odd, cell(lr=0.03), TrainConfig())
    assert isinstance(final, TrainConfig) and (final.trainer.lr, final.resume, final.eval) == (0.03, True, True)
    assert (final.output_dir, final.run) == (str(odd / "cells"), "a")
    search = located(odd, cell("s", role="search", lr=0.1, test=False), TrainConfig(), afresh=True)
    assert isinstance(search, TrainConfig) and (search.trainer.lr, search.overwrite, search.eval) == (0.1, True, False)
    again = located(odd, cell("e", command="eval", after=["a"]), EvalConfig(backend={"name": "noisy"}))
    assert isinstance(again, EvalConfig) and again.backend == {"name": "noisy"}
    assert (again.run, again.out) == (str(odd / "cells/a"), str(odd / "cells/e"))


def test_jobs_are_composed_once_and_an_evaluation_takes_over_its_runs_settings() -> None:
    asked = []

    def compose(command: str, overrides: Sequence[str]) -> Config:
        asked.append((command, *overrides))
        model, data = {"path": "m"}, {"name": "demo", "metrics": ["bleu"]}
        if command == "train":
            return TrainConfig(model=model, data=data, adapter={"name": "lora"})
        return EvalConfig(model=model, data=data, backend={"name": "noisy"})

    runs = [cell(f"r{n}", n=n, overrides=["adapter=lora", f"n={n}", "seed=0"]) for n in (20, 40)]
    after = cell("e", n=40, command="eval", overrides=["backend=noisy"], after=["r40"])
    with trust.command(trust.Given(frozenset({"own.Config"}))):
        jobs = compose_jobs([*runs, after], compose)
    assert asked == [("train", "adapter=lora"), ("eval", "backend=noisy")]
    assert [jobs[c.name].config.n for c in runs] == [20, 40] and jobs["e"].config.n == 40
    assert jobs["e"].config.model == {"path": "m"} and jobs["e"].config.evaluation.metrics == ["bleu"]
    assert (
        jobs["r20"].given.targets == {"own.Config"}
        and jobs["r20"].given.command == "qft train adapter=lora n=20 seed=0"
    )
    assert pickle.loads(pickle.dumps(jobs)) == jobs


def test_a_damaged_state_is_named(tmp_path: Path) -> None:
    write_json_path = cells.folder(tmp_path, "a")
    write_json_path.mkdir(parents=True)
    (write_json_path / "cell.json").write_text("{")
    with pytest.raises(QftError, match=r"cell\.json is damaged.*remove it"):
        cells.read_state(tmp_path, "a")
    write_json(write_json_path / "cell.json", {"state": "done", "id": "x"})
    assert not cells.done(tmp_path, cell(id="i"))
