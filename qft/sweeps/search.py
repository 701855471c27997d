"""The learning rate of each row on each data set: that of lowest validation loss; the test set plays no part.

What is held out plays none either: a search does not measure it. The rates of later trials follow from the results
of earlier ones (``qft.sweeps.trials``) and are found again whenever the sweep is started.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from qft.errors import QftError
from qft.records import Cell, Choice, Choices, Record, RunDirectory, Trial, read, write
from qft.sweeps import trials
from qft.sweeps.cells import done, folder, read_state, remove, searched


def choose(directory: Path, cells: Sequence[Cell]) -> list[str]:
    """Set ``lr`` of every trial and final cell that it is known of by now, and write choices.json.

    The loss of a trial that diverged is never chosen. Returns remarks on searches without a usable result.
    """
    by_name = {cell.name: cell for cell in cells}
    chosen: dict[tuple[str, str], Choice] = {}
    remarks = _advance(directory, cells)
    for cell in cells:
        if cell.role != "final" or cell.command != "train" or not cell.after:
            continue
        tried = [by_name[name] for name in cell.after]
        if not all(searched(directory, s) for s in tried):
            continue
        results = [_result(directory, s) for s in tried]
        ranked = trials.ranking(results)
        if not ranked:
            remarks.append(_nothing(cell))
            continue
        cell.lr = ranked[0]
        edge = trials.at_edge(cell.lr, results)
        chosen[cell.label, cell.data] = Choice(cell.label, cell.data, tried[0].n, cell.lr, edge, results)
    remarks += _retrained(directory, cells)
    for cell in cells:  # an evaluation of a trained run has that run's rate
        if cell.role == "final" and cell.command == "eval":
            cell.lr = by_name[cell.after[0]].lr
    path = directory / Choices.FILE
    old = read(path, Choices) if path.exists() else Choices()
    planned = {(cell.label, cell.data) for cell in cells}  # what an earlier command planned besides keeps its choice
    rest = [c for c in old.chosen if (c.label, c.data) not in planned]
    write(path, Choices([*chosen.values(), *rest]))
    return list(dict.fromkeys(remarks))


def _retrained(directory: Path, cells: Sequence[Cell]) -> list[str]:
    """Remove final runs of another rate than is chosen now, with their evaluations; a remark on each."""
    remarks, names = [], []
    for cell in cells:
        if cell.role == "final" and cell.command == "train" and cell.lr is not None and done(directory, cell):
            training = RunDirectory(folder(directory, cell.name)).record().training
            if training is not None and training.lr and not math.isclose(training.lr, cell.lr):
                remarks.append(f"{cell.name} had a learning rate of {training.lr}; {cell.lr} is chosen now.")
                names += [
                    c.name for c in cells if cell.name in (c.name, *c.after) and folder(directory, c.name).exists()
                ]
    remove(directory, names)
    return remarks


def _advance(directory: Path, cells: Sequence[Cell]) -> list[str]:
    """Give later trials the rates that earlier ones decide on; remarks on searches that end early.

    A later trial whose earlier ones were run again since, and decide on another rate now, is removed.
    """
    remarks = []
    for key, data in dict.fromkeys((cell.key, cell.data) for cell in cells if cell.role == "search"):
        of_row = {c.trial: c for c in cells if (c.role, c.key, c.data) == ("search", key, data)}
        if trials.AGAIN not in of_row:
            continue
        ended = {name: _result(directory, c) for name, c in of_row.items() if searched(directory, c)}
        for name in (*trials.NEIGHBOURS, trials.AGAIN):
            lr, trial = trials.next_rates(ended).get(name), ended.get(name)
            if lr is None:  # earlier trials are still to come; what has ended keeps its rate until then
                of_row[name].lr = trial.lr or None if trial else None
                continue
            if trial and trial.lr and not math.isclose(trial.lr, lr):  # 0: it diverged, and its rate is not kept
                remove(directory, [of_row[name].name])
                del ended[name]
            elif trial:
                ended[name] = replace(trial, lr=lr)
            of_row[name].lr = lr
        if not trials.next_rates(ended) and ended.keys() >= trials.FIRST.keys():
            remarks.append(_nothing(next(iter(of_row.values()))))
    return remarks


def _nothing(cell: Cell) -> str:
    return f"{cell.label} on {cell.data}: no learning rate that was tried gave a finite loss."


def _result(directory: Path, cell: Cell) -> Trial:
    """What became of a trial that has ended. Its rate is the one it was run with."""
    state, lr = read_state(directory, cell.name), cell.lr or 0.0
    if not done(directory, cell):
        return Trial(cell.name, lr, cell.seed, None)
    run = folder(directory, cell.name)
    if (finished := RunDirectory(run)).complete:
        finished.verify(("record.json",))  # an altered one decides nothing
    training = finished.record().training
    if training is None:
        raise QftError(f"{run / Record.FILE} says nothing of a training; remove {run} to run the cell again.")
    taken_from = state.taken_from if state else None
    return Trial(
        cell.name, training.lr or lr, cell.seed, training.validation_loss, training.seconds, training.steps, taken_from
    )
