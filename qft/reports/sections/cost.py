"""Time and memory: what a run takes, means over seeds."""

from collections.abc import Callable

from qft.reports.analysis import facts
from qft.reports.analysis.analysis import Analysis
from qft.reports.document import Entry, Section, Table
from qft.reports.sections.entries import mean_over_seeds, number, parameters, row_name
from qft.reports.sweep import Cell, Sweep, ordered


def seconds_a_step(cell: Cell) -> float | None:
    """Of a training, on average."""
    training = cell.training
    return training.seconds / training.steps if training and training.steps else None


def _answering_memory(cell: Cell) -> float | None:
    answered = cell.measured.generation
    return answered.peak_memory_bytes / 1e6 if answered and answered.peak_memory_bytes is not None else None


NUMBERS: list[tuple[str, int, Callable[[Cell], float | None]]] = [  # heading, digits, of a run
    ("training s", 1, lambda c: c.training.seconds if c.training else None),
    ("s a step", 3, seconds_a_step),
    ("peak MB", 0, lambda c: c.training.peak_memory_mb if c.training else None),
    ("answer tokens/s", 1, lambda c: c.measured.generation.tokens_per_second if c.measured.generation else None),
    ("answering peak MB", 0, _answering_memory),
    ("circuits", 0, lambda c: c.training.circuits if c.training else None),
]


def sections(analysis: Analysis) -> list[Section]:
    """The table, where any run has finished."""
    return [Section("Time and memory", table(analysis.sweep))]


def table(sweep: Sweep) -> Table | None:
    """A row a method, data set and n."""
    rows = []
    for group in ordered(c.group for c in sweep.final()):
        cells = [c for c in sweep.of(group) if c.done]
        if cells:
            line = [row_name(sweep, group[0], group[1]), Entry(group[1]), number(group[2], 0), *parameters(cells)]
            rows.append([*line, *(mean_over_seeds(cells, list(map(of, cells)), digits) for _, digits, of in NUMBERS)])
    if not rows:
        return None
    columns = ["Row", "data", "n", "parameters", "of LoRA r=4"]
    columns += [heading for heading, *_ in NUMBERS]
    machines = "; ".join(facts.machines(sweep)) or "unknown"
    notes = [f"Means over seeds, on: {machines}. Runs may have shared the machine."]
    return Table("cost", "What a run takes", columns, rows, notes=notes)
