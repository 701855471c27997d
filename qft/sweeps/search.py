"""The learning rate of each row on each data set: that of lowest validation loss; the test set plays no part."""

from collections.abc import Sequence
from pathlib import Path

from qft.errors import QftError
from qft.records import Cell, Choice, Choices, Record, RunDirectory, read, write
from qft.sweeps.cells import done, folder, searched


def choose(directory: Path, cells: Sequence[Cell]) -> list[str]:
    """Set ``lr`` of every final cell whose search is done, and write choices.json.

    The loss of a search that diverged is never chosen. Returns remarks on searches without a usable result.
    """
    by_name = {cell.name: cell for cell in cells}
    grids: dict[str, list[float]] = {}
    chosen: dict[tuple[str, str], Choice] = {}
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
        edge = len(rates) > 1 and cell.lr in (rates[0], rates[-1])
        chosen[cell.label, cell.data] = Choice(cell.label, cell.data, tried[0].n, cell.lr, edge, losses)
    for cell in cells:  # an evaluation of a trained run has that run's rate
        if cell.role == "final" and cell.command == "eval":
            cell.lr = by_name[cell.after[0]].lr
    path = directory / Choices.FILE
    old = read(path, Choices) if path.exists() else Choices()
    planned = {(cell.label, cell.data) for cell in cells}  # what an earlier command planned besides keeps its choice
    rest = [c for c in old.chosen if (c.label, c.data) not in planned]
    grids |= {label: grid for label, grid in old.grids.items() if label not in grids}
    write(path, Choices(grids, [*chosen.values(), *rest]))
    return list(dict.fromkeys(remarks))


def _loss(run: Path) -> float:
    if (directory := RunDirectory(run)).complete:
        directory.verify(("record.json",))  # an altered one decides nothing
    training = directory.record().training
    if training is None:
        raise QftError(f"{run / Record.FILE} says nothing of a training; remove {run} to run the cell again.")
    return training.validation_loss
