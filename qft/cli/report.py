"""Tables, pictures and statistics of a sweep: ``qft report DIR`` writes DIR/report.html and DIR/tables/.

``markdown=FILE`` writes one dated Markdown page instead, of one sweep or of several: ``qft report DIR1 DIR2 ...``.
"""

from pathlib import Path

from qft.cli._command import Command
from qft.cli._output import log, show
from qft.compose import configs
from qft.compose.words import words_as
from qft.config import ReportConfig
from qft.errors import QftError, nearest
from qft.names import place
from qft.progress import start_logging
from qft.records import to_json
from qft.runs import stored

USAGE = "DIR"


def arguments(args: list[str]) -> list[str]:
    """Words without "=" become the list ``dir=['A','B']``."""
    args = [f"+{a}" if a.startswith("names.") else a for a in args]  # its keys are the names of datasets
    return words_as("dir", args, several=True)


def run(config: ReportConfig) -> None:
    """Sweep directories -> page and tables (or Markdown) -> what was written, and the answers in short."""
    start_logging()
    given = config.dir if isinstance(config.dir, list) else [config.dir]
    folders = [stored.find(str(d), str(Path(config.output_dir) / "sweeps"), "dir") for d in given]
    target = place("markdown", config.markdown, file=True) if config.markdown else None
    from qft.claims import claim
    from qft.reports.render import markdown, write
    from qft.reports.report import make, overview

    claims = claim.load(configs.directories())
    reports = [make(folder, config.names, claims) for folder in folders]
    shown = {c.data for r in reports for c in r.analysis.sweep.cells}
    if lost := [key for key, name in config.names.items() if name not in shown]:
        raise QftError(f"names.{lost[0]} belongs to no data set there.{nearest(lost[0], shown)}")
    if target:
        write.text(target, markdown.page(reports, str(target), config.names))
        written = [target]
    else:
        written = [path for report in reports for path in write.everything(report)]
    overviews = [overview(report) for report in reports]
    rows = [[o.sweep, ", ".join(f"{n} {state}" for state, n in o.states.items()), o.headline] for o in overviews]
    columns = ["sweep", "cells", "what the circuit contributes"]
    document = {"reports": to_json(overviews), "written": list(map(str, written))}
    show(config.format, document, "report", columns, rows)
    for path in written:
        if path.suffix in (".html", ".md") and path.parent.name != "tables":
            log.info("written: %s", path)
    if not config.markdown:
        log.info("tables as Markdown, CSV and LaTeX: %s", ", ".join(str(f / "tables") for f in folders))


COMMAND = Command(ReportConfig, run, arguments)
