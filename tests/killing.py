"""Kills sweeps at seeded random moments and compares what they leave: python killing.py KILLS SEED SWEEP [OPTIONS...]

By hand, the whole experiment: ``python tests/killing.py 10 0 table1 scale=smoke datasets=[demo_talk] seeds=[0]``.
"""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

TIMES = {"seconds", "tokens_per_second", "seconds_per_token", "peak_memory_mb", "peak_memory_bytes", "record"}


def start(args: list[str], cwd: Path) -> subprocess.Popen[bytes]:
    """Start ``qft sweep ARGS`` in a session of its own, its output in cwd/out.txt."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    with (cwd / "out.txt").open("ab") as out:
        command = [sys.executable, "-m", "qft.cli.main", "sweep", *args]
        return subprocess.Popen(command, cwd=cwd, env=env, stdout=out, stderr=out, start_new_session=True)


def states(directory: Path) -> list[str]:
    """The states of the cells that have been started."""
    return [json.loads(p.read_text())["state"] for p in directory.glob("cells/*/cell.json")]


def kill_after(process: subprocess.Popen[bytes], directory: Path, done: int, delay: float) -> bool:
    """SIGKILL the sweep's process ``delay`` seconds after a cell is running and ``done`` are finished."""
    while process.poll() is None:
        now = states(directory)
        if now.count("done") >= done and "running" in now:
            try:
                process.wait(delay)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                return True
        time.sleep(0.02)
    return False


def without_times(content: Any) -> Any:
    if isinstance(content, dict):
        return {k: without_times(v) for k, v in content.items() if k not in TIMES}
    return [without_times(v) for v in content] if isinstance(content, list) else content


def decided(directory: Path) -> dict[str, Any]:
    """Everything a sweep leaves that does not depend on the clock."""
    found: dict[str, Any] = {"sweep.json": (directory / "sweep.json").read_text()}
    found["choices.json"] = without_times(json.loads((directory / "choices.json").read_text()))
    for cell in sorted((directory / "cells").iterdir()):
        state = json.loads((cell / "cell.json").read_text())
        # once done, a cell is never run again
        found[f"{cell.name} runs"] = (state["id"], [a["state"] for a in state["attempts"]].count("done"))
        for file in sorted(p for p in cell.rglob("*") if p.is_file()):
            key = str(file.relative_to(directory))
            if file.suffix == ".safetensors" or file.name == "heldout.csv":
                found[key] = file.read_bytes()
            elif file.name == "history.csv":
                rows = csv.DictReader(file.read_text().splitlines())
                found[key] = [tuple(r[k] for k in ("step", "train_loss", "validation_loss", "lr")) for r in rows]
            elif file.suffix == ".jsonl":
                found[key] = [without_times(json.loads(line)) for line in file.read_text().splitlines()]
            elif file.name == "metrics.json":
                found[key] = without_times(json.loads(file.read_text()))["metrics"]
            elif file.name == "record.json":
                found[key] = without_times(json.loads(file.read_text()))["training"]
    return found


def killed(args: list[str], cwd: Path, name: str, kills: int, rng: random.Random, longest: float) -> int:
    """Run a sweep, killed ``kills`` times and started again; returns how many kills met a running process."""
    directory, met = cwd / name, 0
    for _ in range(kills):
        process = start([*args, f"dir={name}"], cwd)
        before = states(directory).count("done")
        met += kill_after(process, directory, before + rng.randint(0, 1), rng.uniform(0, longest))
    process = start([*args, f"dir={name}"], cwd)
    assert process.wait(240) == 0, (cwd / "out.txt").read_text()[-2000:]
    return met


if __name__ == "__main__":
    kills, seed, *args = sys.argv[1:]
    cwd = Path(tempfile.mkdtemp())
    whole = start([*args, "dir=whole"], cwd)
    assert whole.wait() == 0, (cwd / "out.txt").read_text()[-2000:]
    met = killed(args, cwd, "killed", int(kills), random.Random(int(seed)), 4.0)
    first, second = decided(cwd / "whole"), decided(cwd / "killed")
    different = [k for k in {*first, *second} if first.get(k) != second.get(k)]
    attempts = sum(len(json.loads(p.read_text())["attempts"]) for p in cwd.glob("killed/cells/*/cell.json"))
    print(f"{met} kills met a running sweep; {len(first)} things compared in {cwd}, different: {sorted(different)}")
    print(f"{len(states(cwd / 'killed'))} cells in {attempts} attempts")
    raise SystemExit(bool(different))
