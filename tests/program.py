"""The program as a user starts it, in a process of its own or, to save its start, in this one."""

import logging
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock


def qft(*args: str, cwd: Path, point: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``qft ARGS`` in ``cwd``; with ``point``, killed there (see kill_at.py)."""
    script = [str(Path(__file__).with_name("kill_at.py")), point] if point else ["-m", "qft.cli.main"]
    if "PYTHONPATH" in environment and "PYTHONPATH" in os.environ:  # a tree that is tested without being installed
        environment["PYTHONPATH"] += os.pathsep + os.environ["PYTHONPATH"]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **environment}
    return subprocess.run(
        [sys.executable, *script, *args], cwd=cwd, env=env, capture_output=True, text=True, timeout=240
    )


def qft_here(*args: str) -> int:
    """Run ``qft ARGS`` in this process and the current directory; what it sets for a whole process is undone."""
    from hydra.core.global_hydra import GlobalHydra

    from qft.cli.main import main

    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        with mock.patch.object(sys, "argv", ["qft"]), mock.patch.dict(os.environ, HF_HUB_OFFLINE="1"):
            return main(list(args))
    finally:
        GlobalHydra.instance().clear()
        root.handlers[:], root.level = handlers, level
        logging.captureWarnings(False)
