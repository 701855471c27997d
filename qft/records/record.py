"""record.json: what was run, on which machine, with which versions."""

import importlib.metadata
import platform
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import qft

SCHEMA = 1
PACKAGES = (
    "torch",
    "transformers",
    "peft",
    "accelerate",
    "datasets",
    "numpy",
    "hydra-core",
    "sacrebleu",
    "rouge-score",
    "pyqpanda3",
    "pennylane",
)


@dataclass
class Record:
    """record.json: answers every later question about a run."""

    command: str
    started: str
    seed: int
    schema: int = SCHEMA
    qft: str = qft.__version__
    python: str = platform.python_version()
    machine: str = f"{platform.system()} {platform.machine()}"
    packages: dict[str, str] = field(default_factory=dict)
    git: dict[str, Any] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    backend: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)


def new_record(seed: int) -> Record:
    """A record with everything that is known before a run starts."""
    record = Record(command=" ".join(["qft", *sys.argv[0].split()[1:], *sys.argv[1:]]), started=now(), seed=seed)
    for package in PACKAGES:
        try:
            record.packages[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    record.git = git_state(Path(qft.__file__).parent)
    return record


def git_state(where: Path) -> dict[str, Any]:
    """Commit of the package's own repository and whether it was changed; nulls where it is in none."""

    def git(*args: str) -> str | None:
        try:
            done = subprocess.run(["git", "-C", str(where), *args], capture_output=True, text=True, timeout=10)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    # only where the package itself is under version control, not where a user's own project is
    if git("ls-files", "--error-unmatch", "__init__.py") is None:
        return {"commit": None, "dirty": None}
    status = git("status", "--porcelain")
    return {"commit": git("rev-parse", "HEAD"), "dirty": None if status is None else bool(status)}


def now() -> str:
    """Local time with its offset, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")
