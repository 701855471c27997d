"""All runs: every planned cell with every attempt at it, failures and searches included."""

from qft.records import Attempt
from qft.reports.analysis.analysis import Analysis
from qft.reports.document import DASH, Entry, Section, Table
from qft.reports.sweep import MISSING, WITHOUT_RESULT, Cell, Sweep

COLUMNS = ["Run", "role", "state", "attempt", "started", "ended", "error", "overrides"]


def sections(analysis: Analysis) -> list[Section]:
    """The failures in sight, all attempts folded."""
    failures = [f"{c.name}: {c.error}" for c in analysis.sweep.cells if c.error]
    made = table(analysis.sweep)
    return [Section("Failures", notes=failures), Section("All runs", made, folded=f"All {len(made.rows)} attempts")]


def table(sweep: Sweep) -> Table:
    """A row an attempt, or a cell without any."""
    rows = []
    for cell in sweep.cells:
        attempts: list[Attempt | None] = [*cell.attempts] or [None]
        rows += [_row(cell, a, k, k == len(attempts)) for k, a in enumerate(attempts, 1)]
    return Table("runs", "Every planned run and every attempt", COLUMNS, rows)


def _row(cell: Cell, attempt: Attempt | None, number: int, last: bool) -> list[Entry]:
    state = cell.state if last or attempt is None else attempt.state
    error = (attempt and attempt.error) or (cell.error if last else None) or ""
    kind = "failed" if state in WITHOUT_RESULT else MISSING if state != "done" else "text"
    return [
        Entry(cell.name, links=((cell.name, cell.link),) if cell.link else (), kind="measured"),
        Entry(cell.role),
        Entry(state, kind=kind),
        Entry(str(number) if attempt else DASH),
        Entry((attempt and attempt.started) or DASH),
        Entry((attempt and attempt.ended) or DASH),
        Entry(error, kind="error"),
        Entry(" ".join(cell.overrides), kind="code"),
    ]
