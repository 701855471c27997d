"""The program as a user starts it, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path


def qft(*args: str, cwd: Path, point: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``qft ARGS`` in ``cwd``; with ``point``, killed there (see kill_at.py)."""
    script = [str(Path(__file__).with_name("kill_at.py")), point] if point else ["-m", "qft.cli.main"]
    if "PYTHONPATH" in environment and "PYTHONPATH" in os.environ:  # a tree that is tested without being installed
        environment["PYTHONPATH"] += os.pathsep + os.environ["PYTHONPATH"]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **environment}
    return subprocess.run(
        [sys.executable, *script, *args], cwd=cwd, env=env, capture_output=True, text=True, timeout=240
    )
