"""Learning rates: every trial of every search, what was chosen on validation, and what it cost."""

from qft.records import Trial
from qft.reports.analysis.analysis import Analysis
from qft.reports.document import Entry, Section, Table
from qft.reports.sweep import Search, Sweep

LOWEST = (
    "Each trial: learning rate, validation loss. The lowest loss wins, a rate of two trials by their mean, by "
    "the same rule for all. Neither the test set nor the held-out samples were touched."
)
SEVEN = 7


def sections(analysis: Analysis) -> list[Section]:
    """The table, where a search ran."""
    return [Section("Learning rates", table(analysis.sweep))]


def table(sweep: Sweep) -> Table | None:
    """A row a search, a column a trial."""
    most = max((len(c.trials) for c in sweep.choices), default=0)
    if not most:
        return None
    rows = []
    for c in sweep.choices:
        line = [Entry(c.label), Entry(c.data), Entry(f"{c.lr:g}", c.lr), Entry("no" if c.edge else "yes")]
        tried = [Entry(_words(trial, c)) for trial in c.trials]
        rows.append([*line, *tried, *[Entry("")] * (most - len(tried)), Entry(f"{c.seconds:.0f}", c.seconds)])
    notes = [LOWEST, *_notes(sweep.choices)]
    columns = ["Row", "data", "chosen", "bracketed", *(f"trial {k + 1}" for k in range(most)), "seconds"]
    return Table("choices", "Validation loss by learning rate", columns, rows, notes=notes)


def _words(trial: Trial, search: Search) -> str:
    """``0.0173: 1.2345``, with the seed where it is not that of the first trial."""
    loss = "diverged" if trial.validation_loss is None else f"{trial.validation_loss:.4f}"
    again = f" (seed {trial.seed})" if trial.seed != search.trials[0].seed else ""
    return f"{trial.lr:g}: {loss}{again}"


def _notes(searches: list[Search]) -> list[str]:
    notes = []
    if edges := [f"{c.label} on {c.data}" for c in searches if c.edge]:
        notes.append(f"Not bracketed, the best at the edge of what was tried, so a rate beyond it may be better: "
                     f"{', '.join(edges)}.")  # fmt: skip
    if short := [f"{c.label} on {c.data} ({len(c.trials)})" for c in searches if len(c.trials) < SEVEN]:
        notes.append(f"A short search of fewer than {SEVEN} trials: {', '.join(short)}.")
    taken = sorted({trial.taken_from for c in searches for trial in c.trials if trial.taken_from})
    if taken:
        number = sum(trial.taken_from is not None for c in searches for trial in c.trials)
        notes.append(f"{number} trials were run by other sweeps: {', '.join(taken)}.")
    return notes
