"""The learning rate of each row on each data set: that of lowest validation loss; the test set plays no part."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qft.errors import QftError
from qft.records import RunDirectory, read_json, write_json
from qft.sweeps.cells import Cell, done, folder, searched


def choose(directory: Path, cells: Sequence[Cell]) -> list[str]:
    """Set ``lr`` of every final cell whose search is done, and write choices.json.

    ``{"grids": {label: [lr]}, "chosen": [{"label", "data", "n", "lr", "edge", "validation_losses": {lr: loss}}]}``;
    the loss of a search that diverged is null and never chosen. ``edge``: the best rate is the grid's first or last.
    Returns remarks on searches without a usable result.
    """
    by_name = {cell.name: cell for cell in cells}
    grids: dict[str, list[float]] = {}
    chosen: dict[tuple[str, ...], dict[str, Any]] = {}
    remarks = []
    for cell in cells:
        if cell.role == "search" and cell.lr is not None:
            grid = grids.setdefault(cell.label, [])
            if cell.lr not in grid:
                grid.append(cell.lr)
    for cell in cells:
        if cell.role != "final" or cell.command != "train":
            continue
        tried = [by_name[name] for name in cell.after]
        if not all(searched(directory, s) for s in tried):
            continue
        losses = {str(s.lr): _loss(folder(directory, s.name)) if done(directory, s) else None for s in tried}
        usable = [(loss, float(lr)) for lr, loss in losses.items() if loss is not None]
        if not usable:
            remarks.append(f"{cell.label} on {cell.data}: no learning rate of its grid gave a finite loss.")
            continue
        cell.lr = min(usable)[1]
        rates = sorted(s.lr for s in tried if s.lr is not None)
        chosen[cell.label, cell.data] = {
            "label": cell.label,
            "data": cell.data,
            "n": tried[0].n,
            "lr": cell.lr,
            "edge": len(rates) > 1 and cell.lr in (rates[0], rates[-1]),
            "validation_losses": losses,
        }
    for cell in cells:  # an evaluation of a trained run has that run's rate
        if cell.role == "final" and cell.command == "eval":
            cell.lr = by_name[cell.after[0]].lr
    path = directory / "choices.json"
    old = read_json(path) if path.exists() else {"grids": {}, "chosen": []}
    planned = {(cell.label, cell.data) for cell in cells}  # what an earlier command planned besides keeps its choice
    rest = [c for c in old["chosen"] if (c["label"], c["data"]) not in planned]
    grids |= {label: grid for label, grid in old["grids"].items() if label not in grids}
    write_json(path, {"schema": 1, "grids": grids, "chosen": [*chosen.values(), *rest]})
    return list(dict.fromkeys(remarks))


def _loss(run: Path) -> float | None:
    if (directory := RunDirectory(run)).complete:
        directory.verify(("record.json",))  # an altered one decides nothing
    try:
        loss = read_json(run / "record.json")["training"]["validation_loss"]
        return loss if loss is not None and math.isfinite(loss) else None
    except (KeyError, TypeError) as error:
        raise QftError(f"{run / 'record.json'} is damaged ({error}); remove {run} to run the cell again.") from error
