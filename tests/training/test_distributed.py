"""Two processes train what one process trains on batches of twice the size."""

import csv
import json
from pathlib import Path

import pytest
from program import qft_forked, qft_here, two_processes, two_qft_forked

from qft.records import RunDirectory

ARGS = ["train", "adapter=qwthn", "n=30", "trainer.max_steps=3", "trainer.eval_every=2", "evaluation.limit=2"]
ARGS += ["evaluation.max_new_tokens=4", "evaluation.metrics=[bleu]", "data.heldout=6"]


def losses(run: Path) -> list[tuple[float, float]]:
    with (run / "history.csv").open() as file:
        return [(float(r["train_loss"] or 0), float(r["validation_loss"] or 0)) for r in csv.DictReader(file)]


def test_two_processes_are_one_run(tmp_path: Path) -> None:
    both = two_qft_forked(*ARGS, "trainer.batch_size=2", "eval=true", cwd=tmp_path)
    assert [done.returncode for done in both] == [0, 0], both[0].stderr[-2000:] + both[1].stderr[-2000:]
    (run,) = (tmp_path / "outputs").iterdir()  # the time in its name is chosen once
    assert (run / "COMPLETE").exists() and (run / "metrics.json").exists()
    assert ["trainable parameters" in done.stdout for done in both] == [True, False], "one process reports"
    one = qft_forked(*ARGS, "trainer.batch_size=4", "run=one", cwd=tmp_path)
    assert one.returncode == 0, one.stderr[-2000:]
    for a, b in zip(losses(run), losses(tmp_path / "outputs/one"), strict=True):
        assert a == pytest.approx(b, rel=1e-4)
    held_out = [RunDirectory(r).heldout() for r in (run, tmp_path / "outputs/one")]
    assert len(held_out[0]) == 6
    for a, b in zip(*held_out, strict=True):
        assert a.sample == b.sample and a.loss == pytest.approx(b.loss, rel=1e-4)
    counts = [json.loads((r / "record.json").read_text())["training"] for r in (run, tmp_path / "outputs/one")]
    assert counts[0]["steps"] == counts[1]["steps"] == 3
    assert counts[0]["circuits"] > counts[1]["circuits"], "both processes' circuits are counted"


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"WORLD_SIZE": "2"}, "RANK is not set"),
        ({"WORLD_SIZE": "2", "RANK": "0", "MASTER_PORT": "29500"}, "MASTER_ADDR is not set"),
        ({"WORLD_SIZE": "2", "RANK": "2", "MASTER_ADDR": "here", "MASTER_PORT": "1"}, "RANK=2"),
        ({"WORLD_SIZE": "2", "RANK": "1", "MASTER_ADDR": "no where", "MASTER_PORT": "1"}, "MASTER_ADDR=no where"),
        ({"WORLD_SIZE": "2", "RANK": "1", "MASTER_ADDR": "localhost", "MASTER_PORT": "x"}, "MASTER_PORT=x"),
        ({"WORLD_SIZE": "abc"}, "WORLD_SIZE=abc"),
        ({"WORLD_SIZE": "0"}, "WORLD_SIZE=0"),
        ({"RANK": "-1"}, "RANK=-1"),
        ({"WORLD_SIZE": "9" * 5000}, "WORLD_SIZE=999"),
    ],
)
def test_processes_that_cannot_meet_are_refused_at_once(
    environment: dict[str, str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("WORLD_SIZE", "RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert qft_here("train", "adapter=lora") == 2
    said = capfd.readouterr().err
    assert said.startswith("qft: ") and words in said and len(said.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.extended
def test_a_signal_to_one_of_two_processes_stops_both_at_the_same_step(tmp_path: Path) -> None:
    """The checkpoint is whole, and what goes on from it ends as a run that was never stopped."""
    script = tmp_path / "told.py"
    script.write_text(TOLD)
    args = [*ARGS, "trainer.max_steps=6", "trainer.batch_size=2"]
    done = two_processes(str(script), *args, "run=told", cwd=tmp_path)
    assert done.returncode != 0 and "qft: interrupted" in done.stderr
    assert [p.name for p in (tmp_path / "outputs/told/checkpoints").iterdir()] == ["checkpoint-2", "checkpoint-4"]
    assert two_processes("-m", "qft", *args, "run=told", "resume=true", cwd=tmp_path).returncode == 0
    assert two_processes("-m", "qft", *args, "run=whole", cwd=tmp_path).returncode == 0
    assert losses(tmp_path / "outputs/told") == losses(tmp_path / "outputs/whole")


# the second process of a run is sent SIGTERM during the fourth step
TOLD = """
import os, signal, sys
from transformers import TrainerCallback
from qft.__main__ import main
from qft.training import callbacks

def on_step_begin(self, args, state, control, **kwargs):
    if state.global_step == 3 and os.environ["RANK"] == "1":
        os.kill(os.getpid(), signal.SIGTERM)

callbacks.Checkpoints.on_step_begin = on_step_begin
sys.exit(main())
"""
