"""Everything that only a GPU can tell, in order of value, in pieces that survive being cut off.

    python scripts/gpu_check.py --out DIR --minutes 8     # what fits; the same command goes on where it ended
    python scripts/gpu_check.py --out DIR --list          # each piece with its state
    python scripts/gpu_check.py --out DIR --only step     # pieces whose name starts so
    python scripts/gpu_check.py --out DIR --rehearse      # the same commands on small shapes, on a CPU

Each piece is a command of its own with a time limit. Its state is kept in DIR/pieces.json as soon as it ends: done,
failed (with the end of what it said), or cut off; the next start does not repeat what is done or failed (--again
does). Benchmarks leave their tables in DIR/NAME.json. Exit code 1 if a piece failed; what was not run is listed.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))
sys.path.insert(0, str(ROOT))
AT_ONCE = 5  # methods of a piece of 7B shapes: about two minutes
TAIL = 2000  # characters kept of what a failed piece said
LEAST = 20  # seconds under which no piece is begun


@dataclass(frozen=True)
class Piece:
    """A command that is run to its end or not at all.

    Attributes:
        name: Of the piece, and of its file of figures.
        seconds: Most it may take.
        command: What python runs; ``{out}`` is the directory of figures.
    """

    name: str
    seconds: int
    command: list[str]


def pieces(small: bool) -> list[Piece]:
    """All of them, the most valuable first; ``small`` for a rehearsal."""
    import bases

    methods = [name for name in bases.method_names() if name != "lora"]
    groups = [methods[k : k + AT_ONCE] for k in range(0, len(methods), AT_ONCE)]
    own = "qwthn,qtha,quanta"
    wide = [bases.MADE] if small else ["qwen2_7b_instruct", "--layers", "28"]
    step = ["benchmarks/step.py", "--model", *wide, "--batch", "1", "--repeats", "2" if small else "20"]
    step += ["--length", "16"] if small else []
    bits = [] if small else ["--bits", "4"]
    agree = ["benchmarks/agree.py", "--model", bases.MADE]
    decode = ["benchmarks/decode.py", "--model", *wide, "--repeats", "2" if small else "20"]
    decode += ["--tokens", "2", "--prompt", "4"] if small else []
    few = ["--rows", "64", "--repeats", "2", "--most-rows", "100"] if small else []
    circuit = ["benchmarks/circuit.py", *few, "--most-qubits", "1" if small else "6", "--most-compiled", "0"]
    train = ["-m", "qft", "train", "data=demo", "n=40", "trainer.max_steps=8"]
    train += ["overwrite=true", "output_dir={out}/runs"]
    shard = ["-m", "accelerate.commands.launch", "--num_processes", "1", "--use_fsdp", "--fsdp_version", "2"]
    shard += ["--fsdp_auto_wrap_policy", "TRANSFORMER_BASED_WRAP"]
    return [
        Piece("agree", 240, [*agree, "--only", own, "--json", "{out}/agree.json"]),
        Piece("quantised", 240, ["-m", "pytest", "-q", "tests/adapters/test_quantised.py"]),
        Piece("step-own", 300, [*step, "--only", own, "--json", "{out}/step-own.json"]),
        Piece("step-own-4bit", 300, [*step, *bits, "--only", own, "--json", "{out}/step-own-4bit.json"]),
        Piece("decode", 420, [*decode, "--methods", own, "--json", "{out}/decode.json"]),
        Piece("circuit", 420, [*circuit, "--json", "{out}/circuit.json"]),
        Piece("train", 240, [*train, "run=gpu"]),
        Piece("sharded", 240, [*([] if small else shard), *train, "run=sharded"]),
        Piece("agree-all", 420, [*agree, "--json", "{out}/agree-all.json"]),
        *(
            Piece(f"step-{k}", 300, [*step, "--only", ",".join(some), "--json", "{out}/step-" + f"{k}.json"])
            for k, some in enumerate(groups, 1)
        ),
        Piece("contracts", 450, ["-m", "pytest", "-q", "-x", "-n", "8", "tests/contracts/test_adapters.py"]),
    ]


def run(piece: Piece, out: Path, left: float) -> dict[str, object]:
    """The state of a piece after running it for as long as it may."""
    command = [part.replace("{out}", str(out)) for part in piece.command]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}
    start, said = time.monotonic(), out / f"{piece.name}.log"
    with said.open("w", encoding="utf-8") as log:
        try:
            done = subprocess.run(
                [sys.executable, *command],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=min(piece.seconds, left),
                check=False,
            )
            state = "done" if done.returncode == 0 else "failed"
        except subprocess.TimeoutExpired:  # its own limit is a finding; the end of the whole command is none
            state = "failed" if left >= piece.seconds else "cut off"
    result: dict[str, object] = {"state": state, "seconds": round(time.monotonic() - start)}
    return result if state == "done" else result | {"said": said.read_text(encoding="utf-8")[-TAIL:]}


def main(words: list[str] | None = None) -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--out", type=Path, required=True, help="where figures and states are kept")
    options.add_argument("--minutes", type=float, default=8, help="for everything of this command")
    options.add_argument("--only", default="", help="pieces whose name starts so")
    options.add_argument("--list", action="store_true", help="run nothing")
    options.add_argument("--again", action="store_true", help="also what is done or has failed")
    options.add_argument("--rehearse", action="store_true", help="small shapes, on a CPU too")
    args = options.parse_args(words)
    wanted = [piece for piece in pieces(args.rehearse) if piece.name.startswith(args.only)]
    out = args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    kept = out / "pieces.json"
    states = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    end = time.monotonic() + 60 * args.minutes
    begun = set()
    for piece in wanted:
        known = states.get(piece.name, {}).get("state")
        left = end - time.monotonic()
        if args.list or left < LEAST or (known in ("done", "failed") and not args.again):
            continue
        print(f"{piece.name} ...", flush=True)
        states[piece.name] = run(piece, out, left)
        begun.add(piece.name)
        new = kept.with_suffix(".part")
        new.write_text(json.dumps(states, indent=1), encoding="utf-8")
        new.replace(kept)
    for piece in wanted:
        state = states.get(piece.name, {"state": "not run"})
        print(f"{piece.name:16}{state['state']:10}{state.get('seconds', '')}")
    return int(any(states[name]["state"] == "failed" for name in begun))


if __name__ == "__main__":
    sys.exit(main())
