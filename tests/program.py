"""The program as a user starts it, in a process of its own or, to save its start, in this one."""

import json
import logging
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Sequence
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


def qft_light(commands: Sequence[Sequence[str]], cwd: Path) -> list[tuple[int, str]]:
    """``qft`` once for each of the commands, one after the other in one process without torch, transformers and peft.

    Returns:
        Exit code and standard error of each. One that imports any of these ends with a SystemExit that names it.
    """
    for heavy in ("torch", "peft", "transformers"):  # stand-ins
        (cwd / f"{heavy}.py").write_text(f"raise SystemExit('{heavy} was imported')")
    (cwd / "commands.json").write_text(json.dumps([list(words) for words in commands]))
    paths = [str(cwd), str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", LIGHT], cwd=cwd, env=env, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [(code, error) for code, error in json.loads((cwd / "ended.json").read_text())]


LIGHT = """
import contextlib, io, json
from program import qft_here
ended = []
for words in json.load(open("commands.json")):
    with contextlib.redirect_stderr(io.StringIO()) as error, contextlib.redirect_stdout(io.StringIO()):
        try:
            code = qft_here(*words)
        except SystemExit as heavy:
            code, _ = 1, error.write(f"{heavy}")
    ended.append((code, error.getvalue()))
json.dump(ended, open("ended.json", "w"))
"""
