"""The contents of a report: one file a section, in the order of the page.

A section is a module with ``sections(analysis) -> list[Section]``; named here, it appears on the page, in Markdown and,
if it has a table, among the files.
"""

from collections.abc import Callable

from qft.reports.analysis.analysis import Analysis
from qft.reports.document import Section
from qft.reports.sections import (
    against_lora,
    answers,
    circuit,
    cost,
    learning_rates,
    noise,
    pareto,
    published_tables,
    runs,
    sizes,
    standard_scores,
    summary,
    tested,
    training,
    variants,
)

CONTENTS: tuple[Callable[[Analysis], list[Section]], ...] = (
    tested.sections,
    summary.sections,
    published_tables.sections,
    sizes.sections,
    against_lora.sections,
    circuit.sections,
    pareto.sections,
    noise.sections,
    standard_scores.sections,
    variants.sections,
    training.sections,
    answers.sections,
    learning_rates.sections,
    cost.sections,
    runs.sections,
)


def build(analysis: Analysis) -> list[Section]:
    """Every section of a report."""
    return [section for contents in CONTENTS for section in contents(analysis)]
