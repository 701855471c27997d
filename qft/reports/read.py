"""Reads a sweep directory: what was planned (sweep.json) and what each cell left. Trains and changes nothing.

    DIR/sweep.json                    name, scale and the planned cells
    DIR/choices.json                  learning-rate grids and what was chosen, where a search ran
    DIR/cells/NAME/cell.json          state, error and attempts; the rest is an ordinary run directory

A planned cell without a directory has not run yet: it is ``missing``, never left out. The directory may be a
stranger's: texts steer nothing, numbers are numbers, and a run whose files were altered is ``damaged``.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from qft import records
from qft.errors import QftError
from qft.names import one_name, visible
from qft.records import Attempt, CellState, Choice, Choices, LeftOut, Metrics, Record, RunDirectory, SweepPlan
from qft.reports.sweep import Cell, Sample, Search, Sweep
from qft.sweeps.labels import describe


def load(path: Path, names: Mapping[str, str] | None = None) -> Sweep:
    """Read a sweep directory whole.

    Args:
        path: the directory.
        names: data set -> another name for it, by which it is not taken for the one that the papers print numbers of.

    Raises:
        QftError: it is not a sweep directory, is damaged, or was written by a newer version.
    """
    if not (path / SweepPlan.FILE).is_file():
        raise QftError(f"{path} is not a sweep directory: it has no sweep.json. Make one with: qft sweep table1.")
    plan = records.read(path / SweepPlan.FILE, SweepPlan)
    if not plan.cells:
        raise QftError(f"{path / SweepPlan.FILE} plans no cells; there is nothing to report.")
    cells = [_cell(path, planned) for planned in plan.cells]
    _name_rows(cells)
    choices = records.read(path / Choices.FILE, Choices) if (path / Choices.FILE).is_file() else Choices()
    names = names or {}
    for name in names.values():
        if name in {c.data for c in cells} or not re.fullmatch(r"[\w.-]+", name):
            raise QftError(f"'{name}' names another data set of {path}, or is not made of letters, digits and _.-")
    for cell in cells:
        cell.data = names.get(cell.data, cell.data)
    searches = [_search(path, choice, names) for choice in choices.chosen]
    name, scale = visible(plan.name), visible(plan.scale)
    unknown = f"qft sweep {name} scale={scale}  # and options that were not recorded"
    left_out = [_left_out(row, names) for row in plan.left_out]
    return Sweep(path, name, scale, cells, searches, visible(plan.command) or unknown, left_out, max(1, plan.looks))


def _left_out(row: LeftOut, names: Mapping[str, str]) -> LeftOut:
    data = visible(row.data)
    return LeftOut(visible(row.key), visible(row.label), names.get(data, data), row.budget, visible(row.why))


def _search(path: Path, choice: Choice, names: Mapping[str, str]) -> Search:
    if not all(math.isfinite(lr) for lr in (choice.lr, *(trial.lr for trial in choice.trials))):
        raise QftError(f"{path / Choices.FILE} is damaged (a learning rate is not finite).")
    data = visible(choice.data)
    trials = [replace(t, cell=visible(t.cell), taken_from=visible(t.taken_from or "") or None) for t in choice.trials]
    return Search(visible(choice.label), names.get(data, data), choice.lr, choice.edge, trials)


def _name_rows(cells: list[Cell]) -> None:
    """A row is called by its label; where variants share one, what each changes is added in words."""
    variants: dict[str, set[str]] = {}
    for cell in cells:
        variants.setdefault(cell.label, set()).add(json.dumps(cell.variant, sort_keys=True))
    for cell in cells:
        changes = [describe(k, v) for k, v in sorted(cell.variant.items())]
        words = ", ".join(c for c in changes if c not in cell.label)
        cell.row = visible(f"{cell.label}, {words}") if words and len(variants[cell.label]) > 1 else cell.label


def _cell(path: Path, planned: records.Cell) -> Cell:
    cell = Cell(**vars(planned))
    cell.name = one_name("cell", planned.name)
    cell.role, cell.label, cell.data = visible(planned.role), visible(planned.label), visible(planned.data)
    cell.adapter = visible(planned.adapter or "")  # the untuned base has none
    if planned.size is not None:
        cell.size = replace(planned.size, option=visible(planned.size.option))
    cell.differs = {visible(kind): visible(how) for kind, how in planned.differs.items()}
    cell.overrides = [visible(override) for override in planned.overrides]
    folder = path / "cells" / cell.name
    if not (folder / CellState.FILE).is_file():
        return cell
    try:
        _fill(cell, folder)
    except (QftError, OSError) as error:
        cell.state, cell.error = "damaged", visible(f"{cell.name} cannot be read: {error}")
        cell.record, cell.metrics, cell.history, cell.scores, cell.heldout = None, None, [], {}, []
    return cell


def _fill(cell: Cell, folder: Path) -> None:
    """What became of a cell. Raises QftError where its files are not what they were, or do not belong together."""
    records.check_files(folder)
    run, state = RunDirectory(folder), records.read(folder / CellState.FILE, CellState)
    cell.state, cell.error = visible(state.state), visible(state.error or "") or None
    cell.attempts = [
        Attempt(visible(a.started), a.ended and visible(a.ended), visible(a.state), a.error and visible(a.error))
        for a in state.attempts
    ]
    left = [name for name in (Record.FILE, Metrics.FILE) if (folder / name).is_file()]
    cell.link = f"cells/{cell.name}/{left[0] if left else CellState.FILE}"
    if cell.done:
        fill(cell, run)


def fill(cell: Cell, run: RunDirectory) -> None:
    """Put the results of a finished run into a cell. Raises QftError where its files are not what they were."""
    left = [name for name in (Record.FILE, Metrics.FILE) if (run / name).is_file()]
    if not left:
        raise QftError("it is done, but holds neither record.json nor metrics.json")
    cell.record = run.record() if Record.FILE in left else None
    cell.metrics = run.metrics() if Metrics.FILE in left else None
    _check_unaltered(run)
    if cell.record:
        cell.history = run.history()
        if cell.training is None or not cell.history or cell.history[-1].step != cell.training.steps:
            raise QftError("its history.csv does not end on the last step of record.json")
    cell.heldout, cell.conversion = run.heldout(), run.conversion()
    if cell.measured.test:
        cell.scores = _scores(run)
        for name, score in cell.measured.test.items():
            number = len(cell.scores.get(name, ()))
            if score.samples not in (None, number):  # early runs do not say how many
                raise QftError(f"its scores.jsonl holds {number} of {score.samples} answers scored by {name}")


def _scores(run: RunDirectory) -> dict[str, dict[Sample, float]]:
    """scores.jsonl as name -> sample -> score; an answer that was not judged is left out."""
    out: dict[str, dict[Sample, float]] = {}
    for row in run.scores():
        sample = row.id, str(row.turn)
        for name, value in row.scores.items():
            if value is not None:
                out.setdefault(name, {})[sample] = float(value)
    return out


def _check_unaltered(run: RunDirectory) -> None:
    """Raise QftError where what a run was declared with is not what lies there now. Earlier versions declared less."""
    if run.complete:
        run.verify(("config.yaml", "record.json", "history.csv", records.HELDOUT))
    if (run / records.SCORED).is_file():
        run.verify_scores()
