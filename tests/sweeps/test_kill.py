"""A small real sweep, killed at seeded random moments, ends as one that never was (tests/killing.py does ten)."""

import json
import random
import signal
import time
from pathlib import Path

import psutil
import pytest
from killing import decided, killed, start, states
from program import qft_here

# a search of one rate, one final run, one base
TINY = """
rows: {lora: {label: LoRA r=4, adapter: lora}}
scales:
  smoke:
    data: {demo: [model=demo]}
    n: [20]
    seeds: [0]
    search: {n: 20, lr: [1.0e-2]}
    set: [data.heldout=8, trainer.max_steps=4, trainer.batch_size=4, trainer.save_every=1, evaluation.limit=2,
          evaluation.max_new_tokens=4, "evaluation.metrics=[bleu]"]
"""


@pytest.mark.parametrize("kills", [1, pytest.param(3, marks=pytest.mark.extended)])
def test_kills_change_nothing_and_no_cell_is_run_twice(
    kills: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "configs/sweep").mkdir(parents=True)
    (tmp_path / "configs/sweep/tiny.yaml").write_text(TINY)
    args = ["tiny", "scale=smoke"]
    monkeypatch.chdir(tmp_path)
    assert qft_here("sweep", *args, "dir=whole", "workers=2") == 0
    assert killed([*args, "workers=1"], tmp_path, "killed", kills, random.Random(1), 0.5) == kills
    assert decided(tmp_path / "whole") == decided(tmp_path / "killed")
    assert states(tmp_path / "killed") == ["done"] * 3
    attempts = [json.loads(p.read_text())["attempts"] for p in tmp_path.glob("killed/cells/*/cell.json")]
    assert any(a["state"] == "interrupted" for cell in attempts for a in cell)
    assert not list(tmp_path.glob("killed/**/.*.tmp")), "temporary files are left"


@pytest.mark.extended
@pytest.mark.parametrize("everyone", [False, True], ids=["the sweep", "all its processes"])
def test_sigterm_leaves_nothing_running_and_loses_no_step(everyone: bool, tmp_path: Path) -> None:
    """Kubernetes tells the sweep alone, Slurm and systemd tell every process, its server of cells too."""
    (tmp_path / "configs/sweep").mkdir(parents=True)
    longer = TINY.replace("max_steps=4", "max_steps=60").replace("save_every=1", "save_every=30")
    (tmp_path / "configs/sweep/tiny.yaml").write_text(longer)
    args = ["tiny", "scale=smoke", "workers=1"]
    whole = start([*args, "dir=whole"], tmp_path)
    sweep = start([*args, "dir=told"], tmp_path)
    cell = tmp_path / "told/cells/tiny-search-lora-demo-lr0.01"
    while not (cell / "history.csv").exists() or len((cell / "history.csv").read_text().splitlines()) < 8:
        assert sweep.poll() is None, (tmp_path / "out.txt").read_text()[-2000:]
        time.sleep(0.02)
    processes = [psutil.Process(sweep.pid), *psutil.Process(sweep.pid).children(recursive=True)]
    for process in processes if everyone else processes[:1]:
        process.send_signal(signal.SIGTERM)
    assert sweep.wait(240) == 143
    assert psutil.wait_procs(processes, timeout=60)[1] == []
    assert states(tmp_path / "told") == ["interrupted"]
    saved = [int(p.parent.name.rpartition("-")[2]) for p in cell.glob("checkpoints/*/QFT_COMPLETE.json")]
    assert [step for step in saved if step % 30], "the step it was told at is saved"
    again = start([*args, "dir=told"], tmp_path)
    assert whole.wait(600) == 0 and again.wait(600) == 0
    assert decided(tmp_path / "told") == decided(tmp_path / "whole")
