"""Sweeps on a real Slurm: jobs outlive the sweep, are requeued, cancelled and pre-empted, and no result changes.

scripts/slurm_cluster.sh starts a cluster of one machine (Debian: apt-get install slurmctld slurmd munge).
"""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from killing import decided, start, states

from qft.sweeps.slurm_setup import folder

pytestmark = [
    pytest.mark.extended,
    pytest.mark.xdist_group("slurm"),
    pytest.mark.skipif(
        any(shutil.which(program) is None for program in ("slurmctld", "slurmd", "munged", "sbatch")),
        reason="needs a Slurm cluster: apt-get install slurmctld slurmd munge",
    ),
]

CLUSTER = Path(__file__).parents[2] / "scripts/slurm_cluster.sh"
# a search of one rate, one final run, one base; long enough to be met while it trains
TINY = """
rows: {lora: {label: LoRA r=4, adapter: lora}}
scales:
  smoke:
    data: {demo: [model=demo]}
    n: [20]
    seeds: [0]
    search: {n: 20, lr: [1.0e-2]}
    set: [data.heldout=8, trainer.max_steps=80, trainer.batch_size=4, trainer.save_every=5, trainer.eval_every=20,
          evaluation.limit=2, evaluation.max_new_tokens=4, "evaluation.metrics=[bleu]"]
"""
ON_SLURM = ["tiny", "scale=smoke", "launcher=slurm", "slurm.timeout_min=30", "workers=2"]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Path]:
    """A cluster that runs while the tests of this file do; its commands find it by SLURM_CONF."""
    with tempfile.TemporaryDirectory(prefix="qft-slurm-") as place:  # sockets want a short path
        subprocess.run([CLUSTER, "start", place], check=True, timeout=120)
        os.environ["SLURM_CONF"] = f"{place}/slurm.conf"
        try:
            yield Path(place)
        finally:
            del os.environ["SLURM_CONF"]
            subprocess.run([CLUSTER, "stop", place], check=True, timeout=120)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the same sweep leaves that runs on this machine and is never disturbed."""
    cwd = sweep_in(tmp_path_factory.mktemp("whole"))
    assert start(["tiny", "scale=smoke", "dir=whole", "workers=1"], cwd).wait(600) == 0, (cwd / "out.txt").read_text()
    return decided(cwd / "whole")


def sweep_in(directory: Path) -> Path:
    (directory / "configs/sweep").mkdir(parents=True)
    (directory / "configs/sweep/tiny.yaml").write_text(TINY)
    return directory


def until(condition: Callable[[], Any], seconds: float = 400) -> Any:
    """What the condition gives once it is true."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it does not come true"
        time.sleep(0.05)
    return found


def slurm(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout


def jobs() -> dict[str, str]:
    """States of the jobs that have not ended, by id."""
    listed = slurm("squeue", "--noheader", "--format=%i %T").splitlines()
    return dict(line.split() for line in listed)


def training(directory: Path) -> str | None:
    """The job of a cell that is in the middle of its training: there is a checkpoint."""
    for cell in directory.glob("cells/*"):
        if list(cell.glob("checkpoints/*/QFT_COMPLETE.json")) and not (cell / "COMPLETE").exists():
            return json.loads((folder(directory) / f"{cell.name}.json").read_text())["job"]
    return None


def attempts(directory: Path) -> list[list[str]]:
    """How the attempts at each cell ended."""
    return [[a["state"] for a in json.loads(p.read_text())["attempts"]] for p in directory.glob("cells/*/cell.json")]


def test_a_killed_sweep_a_requeued_and_a_cancelled_job_change_nothing(
    cluster: Path, whole: dict[str, Any], tmp_path: Path
) -> None:
    directory = sweep_in(tmp_path) / "slurm"
    sweep = start([*ON_SLURM, "dir=slurm"], tmp_path)
    job = until(lambda: training(directory))
    sweep.send_signal(signal.SIGKILL)
    sweep.wait()
    slurm("scontrol", "requeue", job)
    until(lambda: jobs().get(job) == "RUNNING")  # it comes back without the sweep
    sweep = start([*ON_SLURM, "dir=slurm"], tmp_path)
    until(lambda: f"job {job} is at" in (tmp_path / "out.txt").read_text())
    assert sweep.poll() is None
    until(lambda: states(directory).count("done") >= 2 and training(directory))  # search and base; the final run
    slurm("scancel", training(directory) or "")
    assert sweep.wait(400) == 2  # one cell is left
    assert sorted(states(directory)) == ["done", "done", "interrupted"]
    again = start([*ON_SLURM, "dir=slurm"], tmp_path)
    said = (tmp_path / "out.txt").read_text
    assert again.wait(400) == 0, said()[-2000:]
    assert decided(directory) == whole
    assert [a.count("done") for a in attempts(directory)] == [1, 1, 1]
    assert "sacct" not in said() and "Traceback" not in said()
    until(lambda: not jobs())


def test_a_preempted_job_saves_requeues_itself_and_goes_on(
    cluster: Path, whole: dict[str, Any], tmp_path: Path
) -> None:
    directory = sweep_in(tmp_path) / "slurm"
    sweep = start([*ON_SLURM, "dir=slurm"], tmp_path)
    job = until(lambda: training(directory))
    urgent = slurm("sbatch", "--parsable", "--partition=high", "--exclusive", "--wrap", "sleep 1").strip()
    until(lambda: urgent not in jobs())
    assert sweep.wait(600) == 0, (tmp_path / "out.txt").read_text()[-2000:]
    assert decided(directory) == whole
    assert ["interrupted", "done"] in attempts(directory), "it stopped by itself, and came back once"
    logs = [(folder(directory) / f"{job}_0_log.{end}").read_text() for end in ("err", "out")]
    assert any(f"Requeued job {job}" in log for log in logs)
