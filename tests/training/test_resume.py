"""A run killed at five points and resumed each time ends exactly as one that was never interrupted."""

import csv
import json
import signal
from pathlib import Path

from program import qft_forked

# n=10 gives 9 training samples: 5 steps an epoch, 10 in all, a checkpoint every 3
ARGS = [
    "train",
    "n=10",
    "trainer.batch_size=2",
    "data.heldout=4",
    "trainer.epochs=2",
    "trainer.eval_every=3",
    "trainer.save_every=3",
    "adapter=qwthn",
    "adapter.r=1",
    "backend=noisy",
    "backend.shots=50",  # whose random numbers, too, go on where they were
]
POINTS = ["step:5", "checkpoint:6", "marker:0", "history:8", "finish:0"]


def decided(run: Path) -> list[tuple[str, ...]]:
    """history.csv less what depends on the clock."""
    with (run / "history.csv").open() as file:
        return [
            tuple(r[k] for k in ("step", "epoch", "train_loss", "validation_loss", "lr")) for r in csv.DictReader(file)
        ]


def test_five_kills_change_nothing(tmp_path: Path) -> None:
    assert qft_forked(*ARGS, "run=whole", cwd=tmp_path).returncode == 0
    for k, point in enumerate(POINTS):
        resume = ["resume=true"] if k else []
        done = qft_forked(*ARGS, "run=killed", *resume, cwd=tmp_path, point=point)
        assert done.returncode == -signal.SIGKILL, (point, done.stderr[-2000:])
        assert not (tmp_path / "outputs/killed/COMPLETE").exists()
    done = qft_forked(*ARGS, "run=killed", "resume=true", cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    whole, killed = tmp_path / "outputs/whole", tmp_path / "outputs/killed"
    assert (killed / "COMPLETE").exists()
    weights = "adapter/adapter_model.safetensors"
    assert (whole / weights).read_bytes() == (killed / weights).read_bytes()
    assert (whole / "heldout.csv").read_bytes() == (killed / "heldout.csv").read_bytes()
    assert decided(whole) == decided(killed)
    circuits = [json.loads((run / "record.json").read_text())["training"]["circuits"] for run in (whole, killed)]
    assert circuits[0] == circuits[1] > 0
    assert [int(row[0]) for row in decided(whole)] == list(range(11))
    assert not list(killed.rglob("*.tmp")), "temporary files are left"
