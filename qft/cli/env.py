"""Print what a report of a problem needs: versions, machine, GPU, optional packages; no secrets."""

import importlib.metadata
import os
import platform
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from qft import records
from qft.cli._command import Command
from qft.cli._output import show
from qft.config import EnvConfig
from qft.records import Plain
from qft.version import PACKAGE, __version__

# variables that change what runs do; their values are no secrets
VARIABLES = (
    "CUDA_VISIBLE_DEVICES",
    "HF_HUB_OFFLINE",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "QFT_DEBUG",
    "RANK",
    "TRANSFORMERS_OFFLINE",
    "WORLD_SIZE",
)


def run(config: EnvConfig) -> None:
    """One table or one JSON document."""
    values = environment()
    rows = [[key, str(value).lower() if isinstance(value, bool) else value] for key, value in _flat(values)]
    show(config.format, values, "", ["what", "value"], rows)


def environment() -> Plain:
    """Versions, machine, threads, accelerator, packages (None: not installed), git state, variables."""
    import psutil
    import torch

    cuda = torch.cuda.is_available()
    names = [torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count())] if cuda else []
    return {
        "qft": __version__,
        "git": asdict(records.git_state(PACKAGE)),
        "python": sys.version.split()[0],
        "system": platform.platform(),
        "cpu": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{psutil.virtual_memory().total / 1e9:.0f} GB",
        "threads": torch.get_num_threads(),
        "cuda": torch.version.cuda,
        "gpu": ", ".join(names) or None,
        "bf16": cuda and torch.cuda.is_bf16_supported(),
        "packages": {name: _version(name) for name in _packages()},
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
    }


def _packages() -> list[str]:
    """Every package the project's own metadata names, optional ones too."""
    required = importlib.metadata.requires("qft") or []
    names = {"".join(c if c.isalnum() or c in "-_." else " " for c in r).split()[0] for r in required}
    return sorted(names - {"qft"})


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    """The processor's name."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _flat(content: Plain, prefix: str = "") -> list[tuple[str, Any]]:
    out: list[tuple[str, Any]] = []
    for key, value in content.items():
        if isinstance(value, dict):
            out += _flat(value, f"{prefix}{key} ")
        else:
            out.append((prefix + key, value))
    return out


COMMAND = Command(EnvConfig, run)
