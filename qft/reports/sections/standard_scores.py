"""Standard scores: tasks of lm-evaluation-harness, as the harness gives them, means over seeds."""

from qft.records import HarnessTask
from qft.reports.analysis.analysis import Analysis
from qft.reports.document import Entry, Section, Table
from qft.reports.sections.entries import mean_over_seeds, number, row_name
from qft.reports.sweep import Cell, Sweep, ordered

NOTE = (
    "As lm-evaluation-harness computes them, most from 0 to 1. ± is the deviation over seeds, not the harness's own "
    "standard error over questions, which metrics.json holds; no verdict rests on these numbers."
)


def sections(analysis: Analysis) -> list[Section]:
    """The table, where any run was asked such tasks."""
    return [Section("Standard scores", table(analysis.sweep))]


def table(sweep: Sweep) -> Table | None:
    """A row a method, data set and n; a column a score."""
    tasks = {name: task for c in sweep.final() for name, task in _tasks(c).items()}
    scores = [(name, score) for name, task in sorted(tasks.items()) for score in task.scores]
    if not scores:
        return None
    rows = []
    for group in ordered(c.group for c in sweep.final()):
        cells = [c for c in sweep.of(group) if _tasks(c)]
        if cells:
            line = [row_name(sweep, group[0], group[1]), Entry(group[1]), number(group[2], 0)]
            rows.append([*line, *(mean_over_seeds(cells, [_value(c, *s) for c in cells], 4) for s in scores)])
    groups = [("", 3)]
    for name, task in sorted(tasks.items()):
        groups.append((f"{name} ({task.shots}-shot, {task.samples} questions)", len(task.scores)))
    packages = ordered(task.package for task in tasks.values())
    columns = ["Row", "data", "n", *(score for _, score in scores)]
    notes = [NOTE, f"Computed by {', '.join(packages)}."]
    return Table("standard_scores", "Scores by lm-evaluation-harness", columns, rows, groups, notes)


def _tasks(cell: Cell) -> dict[str, HarnessTask]:
    return cell.measured.harness or {}


def _value(cell: Cell, name: str, score: str) -> float | None:
    task = _tasks(cell).get(name)
    found = task.scores.get(score) if task else None
    return found.value if found else None
