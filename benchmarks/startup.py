"""How long a user waits: ``qft --help``, a config error, the first training step; beside what Python itself takes.

python benchmarks/startup.py
"""

import statistics
import subprocess
import sys
import tempfile

import measure

TRAIN = ["train", "n=20", "trainer.max_steps=1", "output_dir=."]
TASKS = {
    "python -c pass": ["-c", "pass"],
    "import torch, transformers, peft": ["-c", "import torch, transformers, peft"],
    "qft --help": ["-m", "qft.cli.main", "--help"],
    "qft train --help": ["-m", "qft.cli.main", "train", "--help"],
    "a wrong key": ["-m", "qft.cli.main", "train", "trainer.lerning_rate=1"],
    "one training step of the demo, written to disk": ["-m", "qft.cli.main", *TRAIN],
}


def main() -> None:
    options = measure.parser(__doc__)
    args = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:

        def task(argv: list[str]):
            return lambda: subprocess.run([sys.executable, *argv], cwd=folder, capture_output=True, check=False)

        times = measure.in_turn({name: task(argv) for name, argv in TASKS.items()}, args.repeats)
    table = measure.Table("Start-up", f"{measure.machine()}; median of {args.repeats}", ["what", "seconds"])
    for name, values in times.items():
        table.add(name, f"{statistics.median(values):.2f}")
    measure.write(args.json, [table])


if __name__ == "__main__":
    main()
