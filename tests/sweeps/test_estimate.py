"""How long a sweep will take: from its own finished cells, the most similar first."""

from pathlib import Path

import pytest
import stored
from test_cells import cell

from qft.records import Cell, RunDirectory, Scores
from qft.sweeps import cells
from qft.sweeps.estimate import START, Speed


def finished(directory: Path, name: str, label: str, data: str, per_step: float, answering: float) -> Cell:
    done = cell(name, label=label, data=data)
    cells.begin(directory, done)
    cells.end(directory, done, "done")
    run = RunDirectory(cells.folder(directory, name))
    run.save(stored.record(training=stored.training(seconds=10 * per_step, steps=10)))
    run.save(stored.metrics(Scores(generation=stored.generation(seconds=answering))))
    return done


def test_the_finished_cells_most_like_a_cell_tell_its_time(tmp_path: Path) -> None:
    speed = Speed(tmp_path, {"x": 100}, stated=0.5)
    wanted = cell("x", label="QWTHN", data="short")
    assert not speed.measured and speed.seconds(wanted) == START + 50
    # the closer the later: anything, the same row on other data, other rows on the same data, the same of both
    for label, data, per_step, answering, expected in (
        ("LoRA", "long", 3.0, 40.0, 340.0),
        ("QWTHN", "long", 2.0, 30.0, 230.0),
        ("LoRA", "short", 1.0, 20.0, 120.0),
        ("QWTHN", "short", 0.1, 5.0, 15.0),
    ):
        speed.learn(finished(tmp_path, f"{label}-{data}", label, data, per_step, answering))
        assert speed.measured and speed.seconds(wanted) == pytest.approx(START + expected)
    assert Speed(tmp_path, {"x": 100}).seconds(wanted) is None, "nothing measured, nothing stated"
