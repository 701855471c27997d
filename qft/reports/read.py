"""Reads a sweep directory: what was planned (sweep.json) and what each cell left. Trains and changes nothing.

    DIR/sweep.json                    name, scale and the planned cells
    DIR/choices.json                  learning-rate grids and what was chosen, where a search ran
    DIR/cells/NAME/cell.json          state, error and attempts; the rest is an ordinary run directory

A planned cell without a directory has not run yet: it is ``missing``, never left out.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qft import records
from qft.errors import QftError
from qft.names import one_name
from qft.reports import checked

SCHEMA = 1
MISSING = "missing"
WITHOUT_RESULT = ("failed", "damaged", "diverged")  # run, but nothing to count
NOISE = ("noise_scale", "trained", "shots")  # keys of a variant that belong to the noise sweep
Sample = tuple[str, str]
Group = tuple[str, str, int]  # row, data, n: what is averaged over seeds


@dataclass
class Cell:
    """One planned run and what came of it. ``record``, ``metrics``, ... are empty unless done."""

    name: str
    role: str
    label: str
    adapter: str
    data: str
    n: int
    seed: int
    lr: float | None
    variant: dict[str, Any]
    overrides: list[str]
    state: str = MISSING
    error: str | None = None
    attempts: list[dict[str, Any]] = field(default_factory=list)
    record: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, float | None]] = field(default_factory=list)
    scores: dict[str, dict[Sample, float]] = field(default_factory=dict)
    link: str | None = None
    row: str = ""  # its line in the tables

    @property
    def done(self) -> bool:
        """Finished, and readable."""
        return self.state == "done"

    @property
    def group(self) -> Group:
        """What it shares with the other seeds."""
        return self.row, self.data, self.n

    def loss(self, which: str) -> float | None:
        """``train_loss_run_mean``, ``train_loss_final_epoch`` or ``validation_loss``; nats per token."""
        value = self.record.get("training", {}).get(which)
        if value is None and which == "validation_loss":  # the untuned base is evaluated only
            value = self.metrics.get("metrics", {}).get("validation", {}).get("loss")
        return None if value is None else float(value)

    def score(self, name: str) -> float | None:
        """A test score of the run, 0-100."""
        value = self.metrics.get("metrics", {}).get("test", {}).get(name, {}).get("value")
        return None if value is None else float(value)


@dataclass
class Sweep:
    """A sweep directory in memory."""

    path: Path
    name: str
    scale: str
    cells: list[Cell]
    choices: dict[str, Any]
    command: str

    def final(self) -> list[Cell]:
        """The cells the tables are made of; a search for a learning rate has a table of its own."""
        return [c for c in self.cells if c.role != "search"]

    def plain(self) -> list[Cell]:
        """Final cells of unchanged methods, no control and no noise: LoRA r=4 first, the untuned base last."""
        return sorted((c for c in self.final() if not c.variant), key=lambda c: (c.role == "base") - is_lora(c))

    @property
    def as_published(self) -> bool:
        """Whether it runs on the papers' own bases."""
        return self.scale == "paper" and not any("model.path=" in o for c in self.cells for o in c.overrides)

    def read_from(self, data: str) -> str:
        """The overrides by which the cells of a dataset read it; of a path on the disk its last two parts."""
        found = next(c for c in self.cells if c.data == data).overrides
        words = [o for o in found if o.partition("=")[0].split(".")[0] == "data"]
        return " ".join(
            f"data.path=…/{'/'.join(Path(o).parts[-2:])}" if o.startswith("data.path=") and o.count("/") > 1 else o
            for o in words
        )

    def of(self, group: Group) -> list[Cell]:
        """The final cells of one group, by seed."""
        return sorted((c for c in self.final() if c.group == group), key=lambda c: c.seed)


def describe(key: str, value: Any) -> str:
    """A variant in words: ``circuit=none`` is *without circuit*."""
    known = {
        ("circuit", "none"): "without circuit",
        ("circuit", "constants"): "constants for the circuit",
        ("circuit", "silu"): "SiLU for the circuit",
        ("circuit", "polynomial"): "free polynomial for the circuit",
        ("entangle", False): "no entanglement",
        ("train_angles", False): "angles frozen",
        ("mpo", False): "no MPO",
        ("classical_path", False): "no classical path",
        ("shuffle", True): "outputs shuffled",
        ("trained", "exact"): "trained without noise",
        ("trained", "noisy"): "trained with noise",
        ("shots", None): "exact expectations",
    }
    try:
        return known.get((key, value)) or f"{key.replace('_', ' ')} {value}"
    except TypeError:  # a list or dict
        return f"{key.replace('_', ' ')} {value}"


def ordered(values: Iterable[Any]) -> list[Any]:
    """Without repeats, in the order of first appearance."""
    return list(dict.fromkeys(values))


def is_lora(cell: Cell) -> bool:
    """Whether a cell belongs to the row all others are compared with."""
    return cell.label == "LoRA r=4" or (cell.adapter == "lora" and cell.label == "LoRA" and not cell.variant)


def load(path: Path, names: Mapping[str, str] | None = None) -> Sweep:
    """Read a sweep directory whole. Raises QftError where it is none, newer than this program or damaged.

    ``names`` gives a dataset another name, by which it is not taken for the one that the papers print numbers of.
    """
    if not (path / "sweep.json").is_file():
        raise QftError(f"{path} is no sweep directory: it holds no sweep.json. Make one with: qft sweep table1.")
    plan = records.read_json(path / "sweep.json")
    try:
        if plan["schema"] > SCHEMA:
            raise QftError(f"{path} was written by a newer qft (schema {plan['schema']}); update qft to report on it.")
        cells = [_cell(path, spec) for spec in plan["cells"]]
        _name_rows(cells)
        choices = records.read_json(path / "choices.json") if (path / "choices.json").is_file() else {}
        for name in (names or {}).values():
            if name in {c.data for c in cells} or not re.fullmatch(r"[\w.-]+", name):
                raise QftError(f"'{name}' names another data set of {path}, or is no word of letters, digits and _.-")
        for cell in cells:
            cell.data = (names or {}).get(cell.data, cell.data)
        choices = checked.choices(choices)
        for chosen in choices["chosen"]:
            chosen["data"] = (names or {}).get(chosen["data"], chosen["data"])
        name, scale = checked.text(plan["name"]), checked.text(plan["scale"])
        unknown = f"qft sweep {name} scale={scale}  # and options that were not recorded"
        command = checked.text(plan.get("command") or unknown)
        sweep = Sweep(path, name, scale, cells, choices, command)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise QftError(f"{path / 'sweep.json'} is damaged ({type(error).__name__}: {error}).") from error
    if not cells:
        raise QftError(f"{path / 'sweep.json'} plans no cells; there is nothing to report.")
    return sweep


def _name_rows(cells: list[Cell]) -> None:
    """A row is called by its label; where variants share one, what each changes is added in words."""
    variants: dict[str, set[str]] = {}
    for cell in cells:
        variants.setdefault(cell.label, set()).add(json.dumps(cell.variant, sort_keys=True))
    for cell in cells:
        changes = [describe(k, v) for k, v in sorted(cell.variant.items())]
        words = ", ".join(c for c in changes if c not in cell.label)
        cell.row = checked.text(f"{cell.label}, {words}") if words and len(variants[cell.label]) > 1 else cell.label


def _cell(path: Path, spec: dict[str, Any]) -> Cell:
    words: dict[str, Any] = {key: checked.text(spec[key]) for key in ("role", "label", "data")}
    words["adapter"] = checked.text(spec["adapter"] or "")  # the untuned base has none
    words["name"] = one_name("cell", str(spec["name"]))
    cell = Cell(
        **words,
        n=int(spec["n"]),
        seed=int(spec["seed"]),
        lr=None if spec["lr"] is None else checked.rate(spec["lr"]),
        variant=dict(spec.get("variant") or {}),
        overrides=[checked.text(o) for o in spec["overrides"]],
    )
    folder = path / "cells" / cell.name
    if not (folder / "cell.json").is_file():
        return cell
    try:
        _fill(cell, folder)
    except (QftError, KeyError, TypeError, ValueError, AttributeError, OSError, RecursionError) as error:
        cell.state, cell.error = "damaged", checked.text(f"{cell.name} cannot be read: {error}")
        cell.record, cell.metrics, cell.history, cell.scores = {}, {}, [], {}
    return cell


def _fill(cell: Cell, folder: Path) -> None:
    records.check_files(folder)
    state = records.read_json(folder / "cell.json")
    cell.state, cell.error = checked.text(state["state"]), checked.text(state.get("error") or "") or None
    cell.attempts = [
        {k: checked.text(v) for k, v in attempt.items() if v is not None} for attempt in state.get("attempts") or []
    ]
    found = [name for name in ("record.json", "metrics.json") if (folder / name).is_file()]
    cell.link = f"cells/{cell.name}/{found[0] if found else 'cell.json'}"
    if not cell.done:
        return
    if not found:
        raise QftError("it is done, but holds neither record.json nor metrics.json")
    if "record.json" in found:
        cell.record = records.read_json(folder / "record.json")
    if "metrics.json" in found:
        cell.metrics = records.read_json(folder / "metrics.json")
    checked.unaltered(folder)
    checked.numbers(cell.record, cell.metrics)
    if cell.record:
        cell.history = records.read_history(folder / "history.csv")
        if not cell.history or cell.history[-1]["step"] != cell.record["training"]["steps"]:
            raise QftError("its history.csv does not end on the last step of record.json")
    if test := cell.metrics.get("metrics", {}).get("test"):
        cell.scores = _scores(folder / "scores.jsonl")
        for name, score in test.items():
            there = len(cell.scores.get(name, ()))
            if there != score.get("samples", there):  # runs of earlier versions do not say how many
                raise QftError(f"its scores.jsonl holds {there} of {score['samples']} answers scored by {name}")


def _scores(path: Path) -> dict[str, dict[Sample, float]]:
    """scores.jsonl as name -> sample -> score; a score that could not be had is left out."""
    out: dict[str, dict[Sample, float]] = {}
    for line in filter(None, path.read_text(encoding="utf-8").split("\n")):
        row = records.strict_json(line)
        for name, value in row["scores"].items():
            if value is not None:
                out.setdefault(name, {})[str(row["id"]), str(row["turn"])] = float(value)
    return out
