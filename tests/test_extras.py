"""Every extra can be installed beside constraints.txt: pip itself is asked."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.mark.extended
@pytest.mark.timeout(1800)
def test_pip_finds_versions_for_all_extras_at_once() -> None:
    """All at once is more than each alone: what fits together fits alone. Nothing is installed."""
    extras = ",".join(PROJECT["optional-dependencies"])
    options = ["--dry-run", "--ignore-installed", "--disable-pip-version-check", "-q", "-c", "constraints.txt"]
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, f".[{extras}]"], cwd=ROOT, capture_output=True, text=True
    )
    assert asked.returncode == 0, asked.stderr[-3000:]
