"""The pages that show how to add something, followed as a stranger would: in a copy of the source tree."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
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


# all lines in one process, which saves its start; a line of JSON for each: exit code, output, errors
DRIVER = """
import contextlib, io, json, pathlib, runpy, shlex, sys
from program import qft_here

def run(program, *words):
    if program == "qft":
        return qft_here(*words)
    if words[:2] == ("-m", "pytest"):
        import pytest
        return int(pytest.main([*words[2:], "-W", "ignore::pytest.PytestAssertRewriteWarning"]))
    sys.argv = list(words)
    sys.path.insert(0, str(pathlib.Path(words[0]).parent))
    runpy.run_path(words[0], run_name="__main__")
    return 0

lines = json.loads(sys.argv[1])
for line in lines:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(*shlex.split(line))
    print(json.dumps([code, out.getvalue(), err.getvalue()]), flush=True)
"""


@dataclass(frozen=True)
class Answer:
    """What a line gave."""

    code: int
    output: str
    errors: str


def answers(lines: Sequence[str], tree: Path) -> list[Answer]:
    """Lines of a page (``qft ...``, ``python SCRIPT ...`` or ``python -m pytest ...``), one after the other."""
    path = os.pathsep.join((str(tree), str(tree / "tests")))
    env = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "CI": ""}
    env["QFT_QCLOUD_KEY"] = "0" * 32  # of nobody: nothing is sent
    words = [sys.executable, "-c", DRIVER, json.dumps(list(lines))]
    done = subprocess.run(words, cwd=tree, env=env, capture_output=True, text=True, timeout=PATIENCE)
    found = [Answer(*json.loads(line)) for line in done.stdout.splitlines()]
    assert done.returncode == 0 and len(found) == len(lines), done.stderr[-3000:]
    return found


def run(lines: Sequence[str], tree: Path) -> list[str]:
    """The output of lines that must succeed."""
    found = answers(lines, tree)
    for line, answer in zip(lines, found):
        assert answer.code == 0, f"{line}\n{answer.output[-3000:]}{answer.errors[-3000:]}"
    return [answer.output for answer in found]
