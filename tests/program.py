"""The program as a user starts it, in a process of its own or, to save its start, in this one."""

import logging
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

PATIENCE = 900  # seconds until a process counts as hanging; a busy machine may well need ten times an idle one's


def qft(*args: str, cwd: Path, point: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``qft ARGS`` in ``cwd``; with ``point``, killed there (see kill_at.py)."""
    script = [str(Path(__file__).with_name("kill_at.py")), point] if point else ["-m", "qft.cli.main"]
    if "PYTHONPATH" in environment and "PYTHONPATH" in os.environ:  # a tree that is tested without being installed
        environment["PYTHONPATH"] += os.pathsep + os.environ["PYTHONPATH"]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **environment}
    return subprocess.run(
        [sys.executable, *script, *args], cwd=cwd, env=env, capture_output=True, text=True, timeout=PATIENCE
    )


def two_processes(*script: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a script or ``-m`` module with its arguments in two processes, as torchrun starts them."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return subprocess.run([*torchrun, *script], cwd=cwd, env=env, capture_output=True, text=True, timeout=PATIENCE)


def qft_forked(*args: str, cwd: Path, point: str | None = None) -> subprocess.CompletedProcess[str]:
    """``qft`` in a process of its own, forked from a server that has the heavy libraries loaded: same end, less start.

    Its output, both streams, is ``stderr``.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["qft.sweeps.preload", "kill_at"])
    out = cwd / "out.txt"
    with mock.patch.dict(os.environ, OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1"):  # as the server is to have them
        process = context.Process(target=_forked, args=(args, cwd, point, out))
        process.start()
    process.join(PATIENCE)
    assert process.exitcode is not None, "it hangs"
    return subprocess.CompletedProcess(args, process.exitcode, "", out.read_text())


def _forked(args: tuple[str, ...], cwd: Path, point: str | None, out: Path) -> None:
    import kill_at
    import torch

    from qft.cli.main import main

    os.chdir(cwd)
    torch.set_num_threads(1)
    with out.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    if point:
        kill_at.arm(point)
    sys.argv = ["qft"]
    sys.exit(main(list(args)))


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
