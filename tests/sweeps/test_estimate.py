"""How long a sweep will take: from its own finished cells, the most similar first."""

from pathlib import Path

import pytest
import stored
from test_cells import cell

from qft.records import Cell, RunDirectory, Scores
from qft.sweeps import cells, remaining
from qft.sweeps.estimate import START, Speed, Took


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
    wanted = cell("x", label="QWTHN", data="short", adapter="qwthn")
    assert not speed.measured and speed.seconds(wanted) == START + 50 + 25, "answers: half a training"
    # another row on other data; the same row there; another row on this data, a third of its time there; the same
    for label, data, per_step, expected in (
        ("LoRA", "long", 3.0, 3.0),
        ("QWTHN", "long", 6.0, 6.0),
        ("LoRA", "short", 1.0, 2.0),
        ("QWTHN", "short", 0.1, 0.1),
    ):
        speed.learn(finished(tmp_path, f"{label}-{data}", label, data, per_step, 8.0))
        assert speed.measured and speed.step(wanted) == pytest.approx(expected)
    assert speed.seconds(wanted) == pytest.approx(START + 10 + 8.0)
    assert Speed(tmp_path, {"x": 100}).seconds(wanted) is None, "nothing measured, nothing stated"


def test_the_bases_answers_tell_those_of_rows_by_how_slow_their_steps_are(tmp_path: Path) -> None:
    speed = Speed(tmp_path, {"lora": 10, "slow": 10})
    speed.take(cell("base", label="base", adapter=None, command="eval"), Took(answering=20.0))
    rows = {"lora": cell("lora", label="LoRA"), "slow": cell("slow", label="QTHA", adapter="qtha")}
    for name, per_step in (("lora", 0.1), ("slow", 0.9)):
        speed.take(rows[name], Took(training=10 * per_step, steps=10, whole=10 * per_step + 5))
    assert speed.seconds(rows["lora"]) == pytest.approx(5 + 1 + 20)
    assert speed.seconds(rows["slow"]) == pytest.approx(5 + 9 + 3 * 20)


def test_what_a_failure_holds_back_is_not_left() -> None:
    search, final = cell("s", role="search"), cell("f", after=["s"])
    more = cell("e", command="eval", after=["f"])
    assert remaining.left([search, final, more], {"s": "failed"}) == []
    assert remaining.left([search, final, more], {"s": "diverged"}) == [final, more]
    assert remaining.left([search, final, more], {"s": "done", "f": "running"}) == [final, more]


def test_a_phase_waits_for_its_last_cell() -> None:
    plan = [cell("a"), cell("b"), cell("c"), cell("d", command="eval", after=["a"])]
    expected = {"a": 10.0, "b": 4.0, "c": 5.0, "d": 2.0}
    assert remaining.seconds(plan, expected, {}, 2) == 10 + 2
    assert remaining.seconds(plan, expected, {}, 1) == 21
    assert remaining.seconds(plan, expected, {"a": 7.0}, 2) == 5 + 3 - 1 + 2
