"""Run every benchmark and write docs/performance.md: dated, with the commands and the machine.

    python scripts/build_performance.py --model DIR --data DIR_OF_CPSYCOUN
    python scripts/build_performance.py --only step        # some pieces

Each benchmark is a piece whose figures are kept in --out: begun again after an interruption, or with --only, what is
there for the same commit and command is not measured again (--again measures it). The page is written once all are
there. What falls short, and why, is in benchmarks/shortfalls.md, which the page ends with.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
MADE = "made-4m"  # of benchmarks/bases.py
HEAD = """# Speed

What is measured: ratios, both sides of a pair in one process, in turn, medians over rounds; the machine, threads, clock
and versions stand over every table. Goals were set before measuring and stand beside what came out, met or not.
`make bench MODEL=DIR DATA=DIR` writes this page in pieces, so that it can be interrupted and begun again; without
MODEL it measures on random weights of the same shapes, without DATA it leaves packing out. `make bench ONLY=step`
measures some pieces, `python benchmarks/step.py --model DIR --only cua` one method.
"""


def commands(model: str, data: str | None) -> list[list[str]]:
    """The scripts of benchmarks/ with what they are run with."""
    wide = ["--model", "qwen2_7b_instruct", "--layers", "1", "--batch", "1", "--only", "qwthn,qtha,quanta"]
    qwthn = ["--model", model, "--batch", "8", "--only", "qwthn"]
    out = [
        ["circuit.py"],
        ["noise.py", "--repeats", "3"],
        ["step.py", "--model", model, "--batch", "3", "--at-once", "8"],
        ["step.py", *qwthn],
        ["step.py", *qwthn, "--threads", "2"],
        ["step.py", *wide, "--threads", "2", "--repeats", "5"],
        ["decode.py", "--model", model],
        ["startup.py", "--repeats", "3"],
        ["growth.py"],
    ]
    return [*out, ["packing.py", "--model", model, "--data", data, "--n", "20", "--repeats", "2"]] if data else out


def shown(command: list[str]) -> str:
    """A command without this machine's directories."""
    return "python benchmarks/" + " ".join(Path(c).name if os.sep in c else c for c in command)


def markdown(table: dict[str, Any]) -> str:
    """One table of measure.Table."""
    rows = [table["columns"], ["---"] * len(table["columns"]), *table["rows"]]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return f"## {table['title']}\n\n{table['where']}\n\n" + "\n".join(lines) + "\n"


def commit() -> str:
    """The commit that is measured; an edited work tree is not the commit it began from."""
    asked = ["git", "describe", "--always", "--abbrev=40", "--dirty"]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def piece(command: list[str], out: Path, again: bool) -> dict[str, Any]:
    """The tables of one command with their date: those kept of this commit, else measured now."""
    name = hashlib.sha256(" ".join(command).encode()).hexdigest()[:8]
    kept = out / f"{command[0].removesuffix('.py')}-{name}.json"
    revision = commit()
    if not again and kept.exists():
        known: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
        if known["commit"] == revision and not revision.endswith("-dirty"):
            print(f"{shown(command)}: measured on {known['date']}, kept in {kept.name}", flush=True)
            return known
    print(f"\n$ {shown(command)}", flush=True)
    start, figures = time.monotonic(), kept.with_suffix(".part")
    # threads that spin for work cost a factor of five where cores are shared
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "PYTHONPATH": str(ROOT)}
    script = [sys.executable, str(ROOT / "benchmarks" / command[0]), *command[1:], "--json", str(figures)]
    subprocess.run(script, check=True, env=environment)
    tables = json.loads(figures.read_text(encoding="utf-8"))
    measured = {"commit": revision, "date": time.strftime("%Y-%m-%d"), "tables": tables}
    figures.write_text(json.dumps(measured, indent=1), encoding="utf-8")
    figures.replace(kept)
    print(f"{time.monotonic() - start:.0f} s", flush=True)
    return measured


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument(
        "--model", default=MADE, help="directory of a small base; random weights of its shapes if none"
    )
    options.add_argument("--data", help="directory of CPsyCounD, for packing")
    options.add_argument("--only", help="scripts whose name starts so; the page is not written")
    options.add_argument("--out", type=Path, default=ROOT / "outputs" / "bench", help="where the pieces are kept")
    options.add_argument("--again", action="store_true", help="measure what is kept once more")
    args = options.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    wanted = [c for c in commands(args.model, args.data) if c[0].startswith(args.only or "")]
    if not wanted:
        raise SystemExit(f"--only {args.only}: no script of benchmarks/ that the page shows starts so.")
    parts = [HEAD]
    for number, command in enumerate(wanted, 1):
        print(f"[{number}/{len(wanted)}]", end=" ", flush=True)
        measured = piece(command, args.out, args.again)
        note = f"\n`{shown(command)}`, {measured['date']}\n"
        parts += [markdown(table) + note for table in measured["tables"]]
    if not args.only:
        parts.append((ROOT / "benchmarks" / "shortfalls.md").read_text(encoding="utf-8"))
        (ROOT / "docs" / "performance.md").write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
