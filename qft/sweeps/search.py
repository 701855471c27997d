"""The learning rate of each row on each data set: that of lowest validation loss; the test set plays no part.

What is held out plays none either: a search does not measure it. The rates of later trials follow from the results
of earlier ones (``qft.sweeps.trials``) and are found again whenever the sweep is started.
"""

from collections.abc import Sequence
from pathlib import Path

from qft.errors import QftError
from qft.records import Cell, Choice, Choices, Record, RunDirectory, Trial, read, write
from qft.sweeps import trials
from qft.sweeps.cells import done, folder, read_state, searched


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
    for cell in cells:  # an evaluation of a trained run has that run's rate
        if cell.role == "final" and cell.command == "eval":
            cell.lr = by_name[cell.after[0]].lr
    path = directory / Choices.FILE
    old = read(path, Choices) if path.exists() else Choices()
    planned = {(cell.label, cell.data) for cell in cells}  # what an earlier command planned besides keeps its choice
    rest = [c for c in old.chosen if (c.label, c.data) not in planned]
    write(path, Choices([*chosen.values(), *rest]))
    return list(dict.fromkeys(remarks))


def _advance(directory: Path, cells: Sequence[Cell]) -> list[str]:
    """Give later trials the rates that earlier ones decide on; remarks on searches that end early."""
    remarks = []
    for key, data in dict.fromkeys((cell.key, cell.data) for cell in cells if cell.role == "search"):
        of_row = {c.trial: c for c in cells if (c.role, c.key, c.data) == ("search", key, data)}
        ended = {name: _result(directory, c) for name, c in of_row.items() if searched(directory, c)}
        rates = trials.next_rates(ended) if trials.AGAIN in of_row else {}
        for name, lr in rates.items():
            of_row[name].lr = ended[name].lr if name in ended else lr
        if trials.AGAIN in of_row and not rates and ended.keys() >= trials.FIRST.keys():
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
