"""A cell of a sweep: one run as data, what decides its result, and what became of it.

``DIR/sweep.json`` lists the cells, ``DIR/cells/NAME/`` is the run directory of one and ``cell.json`` in it says what
became of it (``qft.records.sweep``).
"""

import hashlib
import importlib.metadata
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import qft
from qft.errors import QftError
from qft.process.locks import is_free
from qft.records import (
    Attempt,
    Cell,
    CellState,
    Choices,
    Identities,
    Identity,
    SweepPlan,
    now,
    read,
    removal,
    to_json,
    write,
)

DIVERGED = "diverged"  # the state of a cell whose loss was no number; the same again would end so too
WITHOUT_RESULT = ("failed", DIVERGED)  # run again only with retry=
# what a sweep writes into its directory
FILES = (".lock", ".locks", ".slurm", "cells", "choices.json", "identities.json", "logs", "sweep.json")
# rooms and files whose code decides what a run gives
DECIDING = ("adapters", "data", "evaluation", "models", "quantum", "tensor", "training", "config.py")
COMPUTE = ("torch", "transformers", "peft", "accelerate", "numpy")
SCORE = ("sacrebleu", "rouge-score", "rouge-chinese", "jieba", "math-verify", "bert-score")
# where, not what
ELSEWHERE = ("output_dir", "run", "out", "resume", "overwrite", "format", "verbose", "eval", "trust_configs")


def identity(
    config: Mapping[str, Any], model: str, data: str, threads: int, device: str, after: list[str], test: bool
) -> Identity:
    """Everything that decides a cell's result.

    Args:
        config: the resolved config of the run; places on the disk do not count.
        model, data: fingerprints.
        threads: CPU threads (sums are taken in another order with another number); device: cpu, cuda, ...
        after: ids of the cells it builds on; a learning rate is decided by its search.
    """
    kept = {k: v for k, v in config.items() if k not in ELSEWHERE and (test or k != "evaluation")}
    for group in ("model", "data"):
        kept[group] = {k: v for k, v in (kept.get(group) or {}).items() if k not in ("path", "hub", "name")}
    packages = {p: _version(p) for p in (*COMPUTE, *SCORE)}
    return Identity(kept, model, data, threads, device, after, packages, {"qft": code_version()})


def _version(package: str) -> str | None:
    """Its version, or None where an extra is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def digest(identity: Identity) -> str:
    """SHA-256 of an identity: the id of its cell."""
    return hashlib.sha256(json.dumps(to_json(identity), sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def code_version() -> str:
    """The package's version and a digest of the source files that decide results."""
    root = Path(qft.__file__).parent
    total = hashlib.sha256()
    for part in DECIDING:
        for file in sorted((root / part).rglob("*.py")) if (root / part).is_dir() else [root / part]:
            total.update(str(file.relative_to(root)).encode() + b"\0" + file.read_bytes())
    return f"{qft.__version__}+{total.hexdigest()[:16]}"


def folder(directory: Path, name: str) -> Path:
    """The run directory of a cell."""
    return directory / "cells" / name


def read_state(directory: Path, name: str) -> CellState | None:
    """cell.json of a cell, or None where it has not been run. Raises QftError where it is damaged."""
    path = folder(directory, name) / CellState.FILE
    return read(path, CellState) if path.exists() else None


def state_of(directory: Path, cell: Cell) -> str | None:
    """What became of the cell; None where it has not been run."""
    state = read_state(directory, cell.name)
    return state.state if state else None


def done(directory: Path, cell: Cell) -> bool:
    """Whether the cell has been run to its end as it is planned now."""
    state = read_state(directory, cell.name)
    return state is not None and state.state == "done" and state.id == cell.id


def searched(directory: Path, cell: Cell) -> bool:
    """Whether the search of a learning rate has ended, with a loss or without one that is a number."""
    return done(directory, cell) or (cell.role == "search" and state_of(directory, cell) == DIVERGED)


def begin(directory: Path, cell: Cell) -> None:
    """Note the start of an attempt; one whose process is gone was interrupted."""
    state = read_state(directory, cell.name)
    attempts = state.attempts if state else []
    for attempt in attempts:
        if attempt.state == "running":
            attempt.state = "interrupted"
    _write(directory, cell, "running", None, [*attempts, Attempt(started=now())])


def end(directory: Path, cell: Cell, ended: str, error: str | None = None) -> None:
    """Note how an attempt ended: done, failed, diverged or interrupted."""
    state = read_state(directory, cell.name)
    attempts = state.attempts if state and state.attempts else [Attempt(started=now())]
    attempts[-1].ended, attempts[-1].state, attempts[-1].error = now(), ended, error
    _write(directory, cell, ended, error, attempts)


def _write(directory: Path, cell: Cell, state: str, error: str | None, attempts: list[Attempt]) -> None:
    path = folder(directory, cell.name)
    path.mkdir(parents=True, exist_ok=True)
    write(path / CellState.FILE, CellState(id=cell.id, name=cell.name, state=state, error=error, attempts=attempts))


def save_plan(directory: Path, name: str, scale: str, command: str, cells: list[Cell], afresh: bool = False) -> None:
    """Write sweep.json; ``command`` plans the same cells again.

    What an earlier command planned of this sweep stays, with its choices, unless ``afresh``: a part that is run once
    more does not make the rest disappear from reports.
    """
    path = directory / SweepPlan.FILE
    old = read(path, SweepPlan) if path.exists() else SweepPlan(name, scale, [])
    if afresh or (old.name, old.scale) != (name, scale):
        old = SweepPlan(name, scale, [])
        (directory / Choices.FILE).unlink(missing_ok=True)
    new, before = {c.name: c for c in cells}, {c.name: c for c in old.cells}
    if new.keys() <= before.keys():
        merged, said = before | new, command if len(new) == len(before) else old.command or command
    else:
        rest = {k: c for k, c in before.items() if k not in new}
        merged, said = new | rest, f"{old.command} && {command}" if rest else command
    write(path, SweepPlan(name, scale, list(merged.values()), said))


def settle(directory: Path, cells: list[Cell], identities: Mapping[str, Identity], overwrite: bool) -> None:
    """Hold a sweep directory to its plan: cells that were run with other settings are refused or removed.

    identities.json keeps what decided each cell, so that the refusal can say what is different.
    """
    path = directory / Identities.FILE
    old = read(path, Identities).cells if path.exists() else {}
    stale = []
    for cell in cells:
        if folder(directory, cell.name).is_symlink():
            raise QftError(f"{folder(directory, cell.name)} is a link: a cell must lie in its sweep's directory.")
        state = read_state(directory, cell.name)
        if state is not None and state.id != cell.id:
            stale.append((cell.name, _changed(old.get(cell.name), identities[cell.name])))
    if stale and not overwrite:
        name, why = stale[0]
        raise QftError(
            f"{directory} holds {len(stale)} cells that were run with other settings ({name}: {why}); "
            "overwrite=true runs them again, dir=DIR keeps them and starts elsewhere."
        )
    for name, _ in stale:
        if not is_free(directory / ".locks" / name):  # a job that outlived its sweep
            raise QftError(f"{name} is being run with other settings; stop that process or job (scancel) first.")
        removal.check(folder(directory, name), directory / "cells")
    for name, _ in stale:
        shutil.rmtree(folder(directory, name))
    write(path, Identities(old | dict(identities)))


def _changed(old: Identity | None, new: Identity) -> str:
    from qft.config import differences

    changed = differences(to_json(old), to_json(new)) if old else []
    return "; ".join(changed[:3]) or "its settings are not known"
