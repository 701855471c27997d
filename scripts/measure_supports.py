"""Measure what the methods of the libraries can do, and write it into ``supports`` of their yamls.

    python scripts/measure_supports.py [NAME ...]

The contract tests hold the yamls to it. What an ability means: tests/contracts/abilities.py.
"""

import re
import sys
import warnings
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "contracts")]

from abilities import measured  # noqa: E402


def main(names: list[str]) -> None:
    """Rewrite the line ``supports: [...]`` of each yaml, or of those named."""
    warnings.simplefilter("ignore")
    for file in sorted((ROOT / "configs" / "adapter").glob("*.yaml")):
        text = file.read_text(encoding="utf-8")
        spec = yaml.safe_load(text)
        if "supports" not in spec or (names and file.stem not in names):
            continue
        able = f"supports: [{', '.join(measured({'name': file.stem} | spec))}]"
        file.write_text(re.sub(r"^supports: \[.*?\]", able, text, flags=re.M), encoding="utf-8")
        print(f"{file.stem}: {able}")


if __name__ == "__main__":
    main(sys.argv[1:])
