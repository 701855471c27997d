"""Do numbers move between two commits? The same small runs at both, side by side on this machine, compared by bytes.

    python scripts/compare_commits.py BEFORE [AFTER]     (AFTER: HEAD)

Each run trains and evaluates on the embedded defaults. Compared are the adapter's weights, the losses of
history.csv (their digits as written), the answers and their scores. Exit code 1 where anything differs.
"""

import argparse
import csv
import filecmp
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SMALL = [
    "n=40",
    "eval=true",
    "trainer.max_steps=6",
    "trainer.save_every=3",
    "trainer.eval_every=3",
    "evaluation.limit=6",
    "evaluation.max_new_tokens=24",
    "evaluation.batch_size=3",
]
RUNS = {
    "qwthn": ["adapter=qwthn", "data=demo", "evaluation.baseline=true"],
    "qtha": ["adapter=qtha", "data=demo_talk"],
    "noisy": ["adapter=qwthn", "data=demo_talk", "backend=noisy", "backend.shots=50", "trainer.max_steps=2"],
    "quanta": ["adapter=quanta", "data=demo_math", "evaluation.metrics=[reasoning]"],
    "qaa": ["adapter=qaa", "data=demo_talk", "trainer.lr=0.005"],
    "sora": ["adapter=sora", "data=demo_math", "trainer.packing=true", "evaluation.metrics=[reasoning,rouge]"],
    "full": ["adapter=full", "data=demo"],
    "dora": ["adapter=dora", "data=demo", "seed=3"],
}
LINES = ("predictions.jsonl", "scores.jsonl", "validation.jsonl", "base_predictions.jsonl", "base_scores.jsonl")
MACHINE = ("seconds", "tokens_per_second", "peak_memory_mb", "peak_memory_bytes")  # of the machine, not of the result


@contextmanager
def checked_out(revision: str) -> Iterator[Path]:
    """A work tree of this revision, removed at the end."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        subprocess.run(["git", "worktree", "add", "--detach", "-q", str(tree), revision], check=True)
        try:
            yield tree
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(tree)], check=True)


def train(tree: Path, name: str, overrides: list[str], out: Path) -> None:
    """Run ``qft train`` of this work tree, one thread, into out/NAME."""
    command = [sys.executable, "-m", "qft", "train", f"output_dir={out}", f"run={name}", *SMALL, *overrides]
    environment = os.environ | {"PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, cwd=out, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{tree}: {' '.join(command)} failed:\n{done.stdout}{done.stderr}")


def differences(before: Path, after: Path) -> list[str]:
    """What differs between two finished runs, a sentence each."""
    out = [
        f"adapter/{file.name}: other bytes"
        for file in sorted((before / "adapter").glob("*.safetensors"))
        if not filecmp.cmp(file, after / "adapter" / file.name, shallow=False)
    ]
    if history(before) != history(after):
        out.append("history.csv: other losses or learning rates")
    for name in LINES:
        if lines(before / name) != lines(after / name):
            out.append(f"{name}: other rows")
    return out


def history(run: Path) -> list[dict[str, str]]:
    """Rows of history.csv without what a machine's speed decides."""
    with (run / "history.csv").open(encoding="utf-8") as file:
        return [{k: v for k, v in row.items() if k not in MACHINE} for row in csv.DictReader(file)]


def lines(path: Path) -> list[dict[str, object]] | None:
    """Rows of a file of answers without what a machine's speed decides; None where there is no such file."""
    if not path.exists():
        return None
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [{k: v for k, v in row.items() if k not in MACHINE} for row in rows]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before")
    parser.add_argument("after", nargs="?", default="HEAD")
    parser.add_argument("--runs", nargs="*", default=list(RUNS), choices=list(RUNS))
    arguments = parser.parse_args()
    moved = False
    with (
        checked_out(arguments.before) as old,
        checked_out(arguments.after) as new,
        tempfile.TemporaryDirectory() as tmp,
    ):
        for name in arguments.runs:
            places = [Path(tmp) / "before", Path(tmp) / "after"]
            for tree, place in zip((old, new), places):
                place.mkdir(exist_ok=True)
                train(tree, name, RUNS[name], place)
            found = differences(places[0] / name, places[1] / name)
            moved = moved or bool(found)
            print(f"{name}: {'; '.join(found) or 'the same'}", flush=True)
    return int(moved)


if __name__ == "__main__":
    sys.exit(main())
