"""Against LoRA: the papers' claims, and every row against LoRA r=4 and against the LoRA closest to it in size."""

from collections.abc import Sequence

from qft.reports.analysis.analysis import Analysis
from qft.reports.analysis.claims import Claim
from qft.reports.analysis.comparisons import WORDS
from qft.reports.document import Entry, Section, Table
from qft.reports.sections import verdicts
from qft.reports.sections.entries import number

TITLE = "Against LoRA"


def sections(analysis: Analysis) -> list[Section]:
    """What was compared with a LoRA."""
    a = analysis
    return [
        *([Section(TITLE, claims_table(a.claims), aside=False)] if a.claims else []),
        *verdicts.section(a, a.lora, TITLE, "lora", "Every row against LoRA r=4", "LoRA r=4"),
        *verdicts.section(
            a, a.same_size, TITLE, "matched", "Every row against the LoRA closest to it in size", "that LoRA"
        ),
    ]


def claims_table(claims: Sequence[Claim]) -> Table:
    """What the papers print of a method against LoRA, beside what was measured."""
    rows = []
    for c in claims:
        line = [Entry(c.method), Entry(c.measure.title), Entry(c.direction)]
        line.append(Entry(f"{c.printed_better} of {c.printed}"))
        line += [number(c.said.count(word), 0) for word in WORDS]
        rows.append([*line, Entry(c.outcome)])
    columns = ["Row", "measure", "printed as", "printed better in", "measured better"]
    columns += [*WORDS[1:-1], "no verdict", "outcome"]
    notes = [
        "Printed: cells of the paper's tables, compared with LoRA r=4. Measured: cells of this sweep. Train and "
        "validation losses get no verdict (docs/statistics.md)."
    ]
    return Table("claims", "The papers' claims against LoRA", columns, rows, notes=notes)
