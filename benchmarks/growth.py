"""How commands grow with what they read: cells of a report, megabytes of rows, answers to score. Time and memory.

    python benchmarks/growth.py
    python benchmarks/growth.py --only report --most 200

What is read is made up (tests/synthetic.py): no weights, no network. Each command runs once in a process of its own.
"""

import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path

import measure

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))
import stored  # noqa: E402
import synthetic  # noqa: E402

from qft import records  # noqa: E402
from qft.evaluation import predictions  # noqa: E402

SIZES = {"report": (60, 240, 1000, 2000), "data": (2, 20, 200, 2000), "score": (1000, 10_000, 100_000)}
UNITS = {"report": "cells", "data": "MB of jsonl", "score": "answers"}
GOALS = {("report", 1000): "60 s, 500 MB", ("data", 2000): "flat memory"}
CELLS_A_SEED = 8  # four methods on two data sets
synthetic.SAMPLES = 50  # answers a cell, as the demo sweeps have
WORDS = ["".join(random.Random(k).choices("abcdefghijklmnop", k=2 + k % 8)) for k in range(5000)]


def text(rng: random.Random, words: int) -> str:
    return " ".join(rng.choices(WORDS, k=words))


def report(folder: Path, size: int) -> list[str]:
    """A sweep of ``size`` cells, a few more or less."""
    synthetic.table1(folder / "sweep", sizes=(300,), seeds=max(1, size // CELLS_A_SEED))
    return ["report", "sweep"]


def data(folder: Path, size: int) -> list[str]:
    """Rows of about two kilobytes."""
    rng = random.Random(0)
    with (folder / "rows.jsonl").open("w") as file:
        written = 0
        while written < size * 1_000_000:
            row = {"prompt": text(rng, 60), "response": text(rng, 240)}
            written += file.write(json.dumps(row) + "\n")
    return ["data", "data=jsonl", "data.path=rows.jsonl"]


def score(folder: Path, size: int) -> list[str]:
    """An evaluation with short answers."""
    rng, rows = random.Random(0), []
    for k in range(size):
        words = text(rng, 40)
        row = records.Prediction(
            id=f"row_{k}", turn=1, prompt="?", reference=words, prediction=f"{words[:100]} and so on", tokens=30,
            finished=True, seconds=0.1,
        )  # fmt: skip
        rows.append(row)
    (folder / "run").mkdir()
    records.write_lines(folder / "run/predictions.jsonl", rows)
    prompts = predictions.digest((r.id, r.turn, r.reference) for r in rows)
    records.RunDirectory(folder / "run").save(stored.settings(prompts=prompts))
    return ["score", "run=run", "evaluation.metrics=[bleu,rouge]", "output_dir=."]


MAKE = {"report": report, "data": data, "score": score}


def run(words: list[str], folder: Path) -> tuple[float, float, float]:
    """Seconds of the wall, seconds of the processor and megabytes that a command took."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    program = [sys.executable, "-m", "qft", *words]
    start, here = time.monotonic(), Path.cwd()
    os.chdir(folder)
    silent = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    try:
        process = os.posix_spawn(sys.executable, program, environment, file_actions=silent)
        _, status, used = os.wait4(process, 0)
    finally:
        os.chdir(here)
    if status:
        raise SystemExit(f"qft {' '.join(words)} ended with {os.waitstatus_to_exitcode(status)}")
    return time.monotonic() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def main() -> None:
    options = measure.parser(__doc__)
    options.add_argument("--only", choices=sorted(MAKE), help="one command")
    options.add_argument("--most", type=int, help="sizes up to this one")
    args = options.parse_args()
    columns = ["command", "n", "of", "seconds", "CPU seconds", "MB", "goal"]
    table = measure.Table("Growth", measure.machine(("numpy", "scipy")), columns)
    for name in [args.only] if args.only else MAKE:
        for size in (s for s in SIZES[name] if args.most is None or s <= args.most):
            with tempfile.TemporaryDirectory() as folder:
                figures = run(MAKE[name](Path(folder), size), Path(folder))
            table.add(f"qft {name}", size, UNITS[name], *(f"{x:.0f}" for x in figures), GOALS.get((name, size), ""))
    measure.write(args.json, [table])


if __name__ == "__main__":
    main()
