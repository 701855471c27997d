"""Answers of two methods side by side with the reference, of one seed of each row."""

from qft.errors import QftError
from qft.records import RunDirectory
from qft.reports import answers
from qft.reports.analysis import measures
from qft.reports.analysis.analysis import Analysis
from qft.reports.document import Section, SideBySide
from qft.reports.sweep import Cell, Sweep, is_lora, ordered

COUNT = 4  # questions of a data set
NOTE = (
    "Of one seed of each row, at the largest n: questions from the first row's best answer to its worst. Choose which "
    "two rows stand beside each other."
)


def sections(analysis: Analysis) -> list[Section]:
    """A block a data set, where two rows have answered the same questions."""
    sweep = analysis.sweep
    found = [(data, beside(sweep, data)) for data in ordered(c.data for c in sweep.plain())]
    known = [(data, block) for data, block in found if block is not None and block.samples]
    return [
        Section("Answers side by side", notes=[] if k else [NOTE], answers=block) for k, (_, block) in enumerate(known)
    ]


def beside(sweep: Sweep, data: str) -> SideBySide | None:
    """The answers of the rows to some questions of a data set; at first LoRA and the next row are shown."""
    cells = chosen(sweep, data)
    given = {}
    for row, cell in cells.items():
        try:
            given[row] = RunDirectory(sweep.path / "cells" / cell.name).predictions()
        except (QftError, OSError):
            continue  # answers decide nothing here: a report is made without them
    given = {row: rows for row, rows in given.items() if rows}
    if len(given) < 2:
        return None
    measure = measures.primary(sweep, data)
    scored = {row: cells[row].scores.get(measure.name, {}) for row in given} if measure else {}
    samples = answers.side_by_side(given, scored, measure.title if measure else "", COUNT)
    rows = list(given)
    return SideBySide(f"answers-{data}", data, rows, (rows[0], rows[1]), samples)


def chosen(sweep: Sweep, data: str) -> dict[str, Cell]:
    """A finished run of each plain row: of the largest n and its first seed. LoRA first, the base last."""
    done = [c for c in sweep.plain() if c.data == data and c.done]
    rows = sorted(ordered(c.row for c in done), key=lambda row: not any(is_lora(c) for c in done if c.row == row))
    best = {row: min((c for c in done if c.row == row), key=lambda c: (-c.n, c.seed)) for row in rows}
    bases = [row for row, cell in best.items() if cell.role == "base"]
    return {row: cell for row, cell in best.items() if row not in bases} | {row: best[row] for row in bases}
