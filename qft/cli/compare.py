"""Hold runs against the first of them: paired differences with intervals, curves over each other, answers.

``qft compare RUN RUN ...``; runs that differ in their seed alone are one row. ``html=FILE`` also writes a page.
"""

from typing import Any

from qft.cli._answers import show_answers
from qft.cli._command import Command
from qft.cli._output import log, show
from qft.compose.words import words_as
from qft.config import CompareConfig
from qft.names import place, visible
from qft.progress import start_logging
from qft.records import to_json
from qft.reports.compare import Compared, compare
from qft.reports.document import Table
from qft.reports.render import page, write
from qft.reports.sections import compared as sections
from qft.runs import stored

USAGE = "RUN RUN ..."


def arguments(args: list[str]) -> list[str]:
    """``qft compare A B`` is ``qft compare run=['A','B']``."""
    return words_as("run", args, several=True)


def run(config: CompareConfig) -> None:
    """Read the runs, compare them, print, and write the page."""
    start_logging()
    target = place("html", config.html, file=True) if config.html else None
    given = config.run if isinstance(config.run, list) else [config.run]
    compared = compare([stored.find(str(name), config.output_dir) for name in given])
    said = sections.sentences(compared)
    beside = sections.side_by_side(compared, config.answers) if config.answers else None
    samples = beside.samples if beside else []
    if target is not None:
        write.text(target, page.comparison(compared.sweep, sections.sections(compared)))
    tables = [sections.runs_table(compared.sweep, main=True), sections.differences_table(compared, short=True)]
    tables += [table] if (table := sections.curve_table(compared.sweep)) else []
    if config.format == "json":
        show("json", _document(compared, said) | {"answers": to_json(samples)}, "", [], [])
    else:
        for table in tables:
            _show(table)
        for note in (*said, *compared.notes):
            print(f"  {visible(note)}")
        print()
        show_answers(samples)
    if target is not None:
        log.info("written: %s", target)


def _show(table: Table) -> None:
    """A table, without columns that hold the same in every row and say nothing."""
    rows = [[entry.text for entry in row] for row in table.rows]
    kept = [k for k in range(len(table.columns)) if any(row[k] not in ("–", "") for row in rows)]
    show("table", None, table.title, [table.columns[k] for k in kept], [[row[k] for k in kept] for row in rows])


def _document(compared: Compared, said: list[str]) -> dict[str, Any]:
    differences = [
        {
            **{"row": c.row, "against": c.other, "measure": c.measure.name, "unit": c.measure.unit},
            **{"mean": c.mean, "reference": c.other_mean, "difference": c.verdict.estimate, "interval": c.interval},
            **{"verdict": c.verdict.word, "help": c.verdict.help, "p": c.p, "planned": c.planned},
            **{"items": c.items, "seeds": c.seeds, "better_on": c.improvement if c.items > 1 else None},
        }
        for c in compared.differences
    ]
    runs = [{"row": c.row, "run": str(compared.folders[c.name]), "seed": c.seed} for c in compared.sweep.cells]
    return {"runs": runs, "differences": differences, "sentences": said, "notes": compared.notes}


COMMAND = Command(CompareConfig, run, arguments)
