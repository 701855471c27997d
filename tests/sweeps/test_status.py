"""qft sweep status: what another process's sweep says of itself through its files and locks."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import stored
from program import qft_here
from test_cells import cell

from qft.process.locks import lock
from qft.records import CellState, HistoryRow, Identities, Identity, RunDirectory, Scores, write, write_history
from qft.sweeps import cells
from qft.sweeps.status import status

TRAINER = {"max_steps": 100, "batch_size": 4, "accumulation": 1, "epochs": 1.0}


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """Five cells of 100 steps: done in 60 s, running since 20 s, killed, failed, and not begun."""
    plan = [cell(name) for name in ("done", "runs", "killed", "failed", "waits")]
    cells.save_plan(tmp_path, "s", "demo", "qft sweep s", plan)
    config = {"n": 20, "trainer": TRAINER}
    known = {c.name: Identity(config, "", "", 1, "cpu", [], {}, {}) for c in plan}
    write(tmp_path / Identities.FILE, Identities(known))
    for name in ("done", "runs", "killed", "failed"):
        cells.begin(tmp_path, cell(name))
    cells.end(tmp_path, cell("done"), "done")
    cells.end(tmp_path, cell("failed"), "failed", "the file x is missing")
    run = RunDirectory(cells.folder(tmp_path, "done"))
    run.save(stored.record(training=stored.training(seconds=50.0, steps=100)))
    run.save(stored.metrics(Scores(generation=stored.generation(seconds=7.0))))
    started = datetime.now().astimezone() - timedelta(seconds=100)
    _times(tmp_path, "done", started, started + timedelta(seconds=60))
    _times(tmp_path, "runs", started + timedelta(seconds=80), None)
    rows = [HistoryRow(step=s, train_loss=1.0, seconds=0.5 * s) for s in range(1, 41)]
    write_history(cells.folder(tmp_path, "runs") / "history.csv", rows)
    return tmp_path


def _times(directory: Path, name: str, start: datetime, end: datetime | None) -> None:
    state = cells.read_state(directory, name)
    assert state is not None
    state.attempts[0].started = start.isoformat(timespec="seconds")
    state.attempts[0].ended = end and end.isoformat(timespec="seconds")
    write(cells.folder(directory, name) / CellState.FILE, state)


def test_it_says_what_runs_what_failed_and_when_it_ends(sweep: Path) -> None:
    (sweep / ".locks").mkdir()
    with lock(sweep / ".lock"), lock(sweep / ".locks/runs"):
        found = status(sweep)
    assert found.counts == {"done": 1, "running": 1, "interrupted": 1, "failed": 1, "not run": 1}
    assert found.alive and found.problems == {"failed": "the file x is missing"}
    (running,) = found.running
    assert (running.name, running.words, running.share) == ("runs", "step 40/100", pytest.approx(0.36))
    assert running.seconds == pytest.approx(20, abs=3)
    # each: 3 s besides, 100 steps of 0.5 s, 7 s of answers; two are left, and the rest of the one that runs
    assert found.workers == 1 and found.seconds == pytest.approx(2 * 60 + 60 - 20, abs=4)
    assert not found.guessed


def test_without_a_process_what_ran_was_interrupted(sweep: Path) -> None:
    found = status(sweep)
    assert not found.alive and found.running == [] and found.counts["interrupted"] == 2


def test_a_damaged_cell_is_one_among_others(sweep: Path) -> None:
    (sweep / "cells/waits").mkdir()
    (sweep / "cells/waits/cell.json").write_text("{")
    (sweep / "cells/runs/history.csv").write_text("\0")
    assert status(sweep).counts["damaged"] == 1


def test_the_command_prints_it(sweep: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(sweep.parent)
    assert qft_here("sweep", "status", str(sweep)) == 0
    text = capsys.readouterr().out
    assert "1 of 5 cells, 20 %" in text and "the file x is missing" in text and "no process runs it" in text
    assert qft_here("sweep", "status", str(sweep), "format=json") == 0
    assert json.loads(capsys.readouterr().out)["counts"]["failed"] == 1
    assert qft_here("sweep", "status", "nowhere") == 2
    assert "nowhere does not exist" in capsys.readouterr().err
