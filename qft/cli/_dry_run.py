"""``qft sweep --dry-run``: every cell checked and counted, the time estimated, what is left listed."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from qft.cli._output import log, show
from qft.config import SweepConfig
from qft.errors import QftError
from qft.names import visible
from qft.records import Cell, LeftOut, Plain, to_json
from qft.sweeps import cells, estimate
from qft.sweeps.identity import Sources


def states(directory: Path, planned: list[Cell]) -> dict[str, str]:
    """Cell name -> done, failed, diverged, interrupted, running or not run."""
    return {cell.name: cells.state_of(directory, cell) or "not run" for cell in planned}


def dry_run(
    config: SweepConfig,
    directory: Path,
    planned: list[Cell],
    left_out: list[LeftOut],
    composed: dict[str, Plain],
    steps: dict[str, int],
    stated: float | None,
    workers: int,
) -> None:
    """Check, count and estimate without running anything."""
    state_of = states(directory, planned)
    speed = estimate.Speed(directory, steps, stated)
    for cell in planned:
        state = cells.read_state(directory, cell.name)
        cell.id = state.id if state else ""  # whether settings changed since is checked by the sweep itself
        speed.learn(cell)
    problems: dict[str, str] = {}
    counts = _counts(planned, composed, problems)
    rows = _rows(planned, state_of, counts, steps, speed)
    left = [c for c in planned if state_of[c.name] != "done"]
    expected = [speed.seconds(c) for c in left]
    total_seconds = None if None in expected else sum(e or 0.0 for e in expected) / workers
    columns = ["row", "data", "trainable", "of LoRA r=4", "knob", "cells", "done", "left", "steps left", "time"]
    title = f"{directory}: {len(left)} of {len(planned)} cells left, "
    title += f"{estimate.in_words(total_seconds)} with {workers} at a time"
    if left and total_seconds is not None and not speed.measured:
        title += f" (a guess at {stated:g} s a step of the scale's own model and data: none is measured yet)"
    document = {
        "directory": str(directory),
        "cells": [
            asdict(c) | {"state": state_of[c.name], "seconds": s} for c, s in zip(planned, map(speed.seconds, planned))
        ],
        "parameters": [{"label": k[0], "data": k[1], **to_json(v.recorded())} for k, v in counts.items()],
        "left_out": [asdict(row) for row in left_out],
        "left": [c.name for c in left],
        "seconds": total_seconds,
        "problems": problems,
    }
    show(config.format, document, title, columns, rows)
    if config.format == "table":
        for cell in left:
            print(visible(f"  {state_of[cell.name]:<11} {cell.name}"))
    if problems:
        for name, problem in problems.items():
            log.error("%s: %s", name, problem)
        raise QftError(f"{len(problems)} cells cannot run as planned.")


def _rows(
    planned: list[Cell], state_of: dict[str, str], counts: dict[Any, Any], steps: dict[str, int], speed: estimate.Speed
) -> list[list[Any]]:
    """A line for each row and data set: its size, its cells, and what is left of them."""
    rows: list[list[Any]] = []
    for label, data in dict.fromkeys((c.label, c.data) for c in planned):
        of_row = [c for c in planned if (c.label, c.data) == (label, data)]
        left = [c for c in of_row if state_of[c.name] != "done"]
        seconds = [speed.seconds(c) for c in left]
        known = None if None in seconds else sum(s or 0.0 for s in seconds)
        count = counts.get((label, data))
        size = (count.trainable, f"{count.ratio:.2%}") if count else (None, None)
        total = sum(steps[c.name] for c in left if c.name in steps)
        chosen = next((f"{c.size.option}={c.size.value}" for c in of_row if c.size), None)
        rows.append(
            [
                label,
                data,
                *size,
                chosen,
                len(of_row),
                len(of_row) - len(left),
                len(left),
                total,
                estimate.in_words(known),
            ]
        )
    return rows


def _counts(planned: list[Cell], composed: dict[str, Plain], problems: dict[str, str]) -> dict[Any, Any]:
    """Parameters of each row on each data set's model; what cannot run is noted under the cell's name."""
    from qft.adapters import methods
    from qft.config import EvaluationConfig, TrainerConfig
    from qft.models import count
    from qft.runs.checks import check_evaluation
    from qft.training import trainer

    known: Plain = {}
    sources = Sources()
    counts: dict[Any, Any] = {}
    for cell in planned:
        c = composed[cell.name]
        answers = [c["evaluation"], c["metric"], c["max_seq_len"]] if cell.test else None
        key = json.dumps([c["model"], c["adapter"], c.get("trainer"), answers], sort_keys=True)
        try:
            if key not in known:
                known[key] = None
                if answers:
                    e = EvaluationConfig(**c["evaluation"])
                    check_evaluation(e, e.metrics or [], c["metric"], c["max_seq_len"])
                if cell.command == "train":
                    trainer.check(TrainerConfig(**c["trainer"]))
                    if c["trainer"]["gradient_checkpointing"]:
                        methods.of(c["adapter"]).check_checkpointing()
                    known[key] = count.count(c["model"], c["adapter"])
            reads_data = cell.role == "base" or cell.command == "train"  # others have the data of the run they evaluate
            if reads_data and not c["data"].get("hub"):  # data on a hub are fetched by the sweep itself
                sources.checked(c)
        except QftError as error:
            problems[cell.name] = str(error)
        if known[key] is not None:
            counts[cell.label, cell.data] = known[key]
    return counts
