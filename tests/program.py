"""The program as a user starts it, in a process of its own or, to save its start, in this one."""

import json
import logging
import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

PATIENCE = 900  # seconds until a process counts as hanging; a busy machine may well need ten times an idle one's
Ended = subprocess.CompletedProcess[str]


def qft(*args: str, cwd: Path, point: str | None = None, **environment: str) -> Ended:
    """Run ``qft ARGS`` in ``cwd``; with ``point``, killed there (see kill_at.py)."""
    script = [str(Path(__file__).with_name("kill_at.py")), point] if point else ["-m", "qft.cli.main"]
    if "PYTHONPATH" in environment and "PYTHONPATH" in os.environ:  # a tree that is tested without being installed
        environment["PYTHONPATH"] += os.pathsep + os.environ["PYTHONPATH"]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **environment}
    return subprocess.run(
        [sys.executable, *script, *args], cwd=cwd, env=env, capture_output=True, text=True, timeout=PATIENCE
    )


def two_processes(*script: str, cwd: Path) -> Ended:
    """Run a script or ``-m`` module with its arguments in two processes, as torchrun starts them."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return subprocess.run([*torchrun, *script], cwd=cwd, env=env, capture_output=True, text=True, timeout=PATIENCE)


def qft_forked(*args: str, cwd: Path, point: str | None = None, **environment: str) -> Ended:
    """``qft`` in a process of its own, forked from a server that has the heavy libraries loaded: same end, less start.

    Args:
        *args: The words of the command line.
        cwd: Where it runs.
        point: Where it is killed; see kill_at.py.
        **environment: What is added to this process's environment.
    """
    return _forked([environment], _qft, (args, point), cwd)[0]


def two_forked(function: Callable[..., object], *args: Any, cwd: Path) -> list[Ended]:
    """Call a function of a module in two processes that find each other as those of torchrun do, forked likewise."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return _forked([shared | {"RANK": rank, "LOCAL_RANK": rank} for rank in "01"], function, args, cwd)


def two_qft_forked(*args: str, cwd: Path) -> list[Ended]:
    """``qft`` in two processes that are one run."""
    return two_forked(_qft, args, None, cwd=cwd)


def _forked(
    environments: Sequence[dict[str, str]], function: Callable[..., object], args: Sequence[Any], cwd: Path
) -> list[Ended]:
    """Call a function in a process for each environment, side by side, and wait for all."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["qft.sweeps.preload", "kill_at"])
    with tempfile.TemporaryDirectory() as folder:
        streams = [(Path(folder, f"{k}.out"), Path(folder, f"{k}.err")) for k in range(len(environments))]
        environments = [{"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"} | more for more in environments]
        with mock.patch.dict(os.environ, OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1"):  # as the server is to have them
            processes = [
                context.Process(target=_child, args=(function, args, cwd, environment, *files))
                for environment, files in zip(environments, streams)
            ]
            for process in processes:
                process.start()
        for process in processes:
            process.join(PATIENCE)
            assert process.exitcode is not None, "it hangs"
        ended = [(p.exitcode or 0, out.read_text(), err.read_text()) for p, (out, err) in zip(processes, streams)]
    return [subprocess.CompletedProcess(args, code, out, err) for code, out, err in ended]


def _child(
    function: Callable[..., object], args: Sequence[Any], cwd: Path, environment: dict[str, str], out: Path, err: Path
) -> None:
    import torch

    os.environ.update(environment)
    os.chdir(cwd)
    torch.set_num_threads(1)
    for number, path in ((1, out), (2, err)):
        with path.open("w") as file:
            os.dup2(file.fileno(), number)
    sys.exit(function(*args))


def _qft(args: Sequence[str], point: str | None) -> int:
    import kill_at

    from qft.cli.main import main

    if point:
        kill_at.arm(point)
    sys.argv = ["qft"]
    return main(list(args))


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
