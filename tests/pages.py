"""The pages that show how to add something, followed as a stranger would: in a copy of the source tree."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from program import PATIENCE

ROOT = Path(__file__).parent.parent


def files_of(page: str) -> list[tuple[str, str]]:
    """The files a page tells its reader to write: name and text."""
    return re.findall(r"^`([\w/.]+)`:\n\n```\w+\n(.*?)^```$", page, re.M | re.S)


def commands_of(page: str) -> list[str]:
    """The blocks of commands on a page, each as one text."""
    return [block.strip() for block in re.findall(r"^```sh\n(.*?)^```$", page, re.M | re.S)]


def tree_with(files: list[tuple[str, str]], copy: Path, *more: str) -> Path:
    """Copy the source tree to ``copy``, with the folders ``more`` too, and write a page's files into it."""
    for folder in ("qft", "configs", "tests", *more):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    for name, text in files:
        assert not (copy / name).exists(), f"{name} is there already: the page needs another example"
        (copy / name).write_text(text, encoding="utf-8")
    return copy


def started(words: list[str], tree: Path) -> subprocess.CompletedProcess[str]:
    """This interpreter on the tree."""
    path = os.pathsep.join((str(tree), str(tree / "tests")))
    env = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "CI": ""}
    env["QFT_QCLOUD_KEY"] = "0" * 32  # of nobody: nothing is sent
    return subprocess.run([sys.executable, *words], cwd=tree, env=env, capture_output=True, text=True, timeout=PATIENCE)


def run(command: str, tree: Path) -> str:
    """A line that must succeed: ``qft ...`` or ``python ...``."""
    program, *words = shlex.split(command)
    done = started(["-m", "qft.cli.main", *words] if program == "qft" else words, tree)
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout
