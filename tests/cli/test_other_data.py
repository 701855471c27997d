"""A trained run on another test set than its own: ``qft eval RUN data=NAME data.split=test``."""

import json
from pathlib import Path

import pytest
from program import qft_here

from qft.records import RunDirectory

SHORT = ["evaluation.max_new_tokens=3", "evaluation.metrics=[rouge]", "format=json"]
OTHER = ["data=jsonl", "data.path=other_test.jsonl", "data.split=test"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the run ``r``, of rows of one's own, and another set beside them."""
    place = tmp_path_factory.mktemp("place")
    for name, count in (("mine", 24), ("other_test", 4)):
        rows = [{"question": f"What is {name} {k}?", "answer": f"It is\n#### {k}"} for k in range(count)]
        (place / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        words = ["train", "adapter=lora", "data=jsonl", "data.path=mine.jsonl", "n=10", "run=r", "trainer.max_steps=1"]
        assert qft_here(*words) == 0
    return place


@pytest.fixture(autouse=True)
def here(trained: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(trained)
    return trained


def test_every_row_is_answered_beside_the_run(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert qft_here("eval", "r", *OTHER, *SHORT) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["directory"] == "outputs/r-on-other_test" and "validation" not in shown["metrics"]
    assert "circuits" not in shown["metrics"]["generation"], "there is nothing they were counted on"
    rows = RunDirectory(here / "outputs/r-on-other_test").predictions()
    assert [(row.id, row.answer) for row in rows] == [(f"row_{k}", str(k)) for k in range(4)]
    assert not (here / "outputs/r/evaluation.json").exists(), "the run's own evaluation is not touched"
    assert qft_here("score", "r-on-other_test", "evaluation.metrics=[reasoning]") == 0
    assert qft_here("eval", "r", *OTHER, *SHORT) == 0  # resumed: nothing is answered again
    assert len(RunDirectory(here / "outputs/r-on-other_test").predictions()) == 4


def test_a_base_is_tested_on_such_a_set_too(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert qft_here("eval", *OTHER, *SHORT, "out=base") == 0
    assert "heldout_loss" not in json.loads(capsys.readouterr().out)["metrics"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["eval", "r", "data.split=test"], "name it: data=NAME data.path="),
        (["eval", "r", "data=jsonl", "data.path=mine.jsonl", "data.split=test"], "was trained on this very set"),
        (["eval", "r", "data=cpsycoun", "data.path=."], "data=cpsycoun is not what outputs/r was trained with"),
        (["eval", "r", "data=jsonl", "data.split=tests"], "data.split=tests does not exist. Did you mean 'test'?"),
        (["train", *OTHER, "run=new"], "data.split=test leaves nothing to train on"),
        (["train", "data=cpsycoune", "data.path=.", "run=new"], "data.split=test leaves nothing to train on"),
    ],
)
def test_what_is_refused(words: list[str], said: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert qft_here(*words) == 2
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error
    assert not (here / "outputs/new").exists() and not (here / "outputs/r-on-mine").exists()


def test_qft_data_shows_it(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert qft_here("data", *OTHER, "samples=1") == 0
    shown = capsys.readouterr().out
    assert "jsonl, for testing only" in shown and "tokens a sample, test" in shown and "near-duplicates" not in shown
