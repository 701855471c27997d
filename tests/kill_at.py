"""Runs ``qft ARGS`` and kills the process (SIGKILL) at a chosen point: python kill_at.py POINT ARGS..."""

import os
import signal
import sys
from typing import Any


def die(*args: Any, **kwargs: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(point: str) -> None:
    from transformers import Trainer

    from qft import records
    from qft.training import callbacks

    name, _, step = point.partition(":")
    at = int(step or 0)
    if name == "step":  # between two checkpoints, after an optimizer step

        def on_step_begin(self: Any, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == at:
                die()

        callbacks.Checkpoints.on_step_begin = on_step_begin  # type: ignore[method-assign]
    elif name == "checkpoint":  # weights and optimizer are written, random states and trainer state are not
        save = Trainer._save_rng_state

        def save_rng(self: Any, output_dir: str) -> None:
            if self.state.global_step == at:
                die()
            save(self, output_dir)

        Trainer._save_rng_state = save_rng
    elif name == "marker":  # the checkpoint is whole but not yet declared so
        records.mark_checkpoint = die
    elif name == "history":  # the new history is written under its temporary name only
        write = records.write_history

        def write_history(path: Any, rows: Any) -> None:
            if rows and rows[-1].step == at:
                from pathlib import Path

                Path.replace = die  # type: ignore[method-assign,assignment]
            write(path, rows)

        callbacks.records.write_history = write_history
    elif name == "answer":  # in the middle of a batch of answers
        from qft.evaluation import generate

        decode, calls = generate.decode, iter(range(10**6))

        def counted(*args: Any) -> str:
            if next(calls) == at:
                die()
            return decode(*args)

        generate.decode = counted
    elif name == "finish":  # adapter and picture are there, the completion marker is not
        records.RunDirectory.finish = die  # type: ignore[method-assign,assignment]
    else:
        raise SystemExit(f"unknown point {point}")


if __name__ == "__main__":
    from qft.cli.main import main

    arm(sys.argv[1])
    raise SystemExit(main(sys.argv[2:]))
