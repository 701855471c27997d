"""Run every benchmark and write docs/performance.md: dated, with the commands and the machine.

python scripts/build_performance.py --model DIR --data DIR_OF_CPSYCOUN
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
HEAD = """# Speed

What is measured: ratios, each pair in one process, in turn, medians over repeats; the machine, threads and versions
stand over every table. Goals were set before measuring and stand beside what came out, met or not.
`make bench` writes this page; where no directory of a base model is given, the demo's is used.
"""


def commands(model: str, data: str | None) -> list[list[str]]:
    """The scripts of benchmarks/ with what they are run with."""
    shapes = ["--model", "qwen2_7b_instruct", "--layers", "1", "--batch", "1", "--methods", "lora,qwthn,qtha,quanta"]
    out = [
        ["circuit.py"],
        ["noise.py", "--repeats", "3"],
        ["step.py", "--model", model],
        ["step.py", "--model", model, "--threads", "2", "--methods", "lora,qwthn"],
        ["step.py", *shapes, "--threads", "2", "--repeats", "3"],
        ["decode.py", "--model", model],
        ["startup.py", "--repeats", "3"],
    ]
    return [*out, ["packing.py", "--model", model, "--data", data, "--n", "20", "--repeats", "2"]] if data else out


def markdown(table: dict) -> str:
    """One table of measure.Table."""
    rows = [table["columns"], ["---"] * len(table["columns"]), *table["rows"]]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return f"## {table['title']}\n\n{table['where']}\n\n" + "\n".join(lines) + "\n"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--model", default=str(ROOT / "qft" / "models" / "demo"), help="directory of a small base")
    options.add_argument("--data", help="directory of CPsyCounD, for packing")
    options.add_argument("--only", help="scripts whose name starts so; the page is not written")
    args = options.parse_args()
    parts = [HEAD, f"Measured on {time.strftime('%Y-%m-%d')}.\n"]
    for command in commands(args.model, args.data):
        if args.only and not command[0].startswith(args.only):
            continue
        shown = " ".join(Path(c).name if os.sep in c else c for c in command)
        print(f"\n$ python benchmarks/{shown}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "figures.json"
            script = ROOT / "benchmarks" / command[0]
            # threads that spin for work cost a factor of five where cores are shared
            environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
            subprocess.run([sys.executable, str(script), *command[1:], "--json", str(out)], check=True, env=environment)
            tables = json.loads(out.read_text(encoding="utf-8"))
        for table in tables:
            parts.append(markdown(table) + f"\n`python benchmarks/{shown}`\n")
    if not args.only:
        (ROOT / "docs" / "performance.md").write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
