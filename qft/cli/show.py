"""Show one run on one page: what it was, how it went, its scores, and answers beside reference and base.

``qft show RUN``. Of a run that is not finished it shows what there is; of a sweep, qft sweep status and qft report.
"""

from typing import Any

from qft.cli import _scores
from qft.cli._answers import show_answers
from qft.cli._command import Command
from qft.cli._output import megabytes, show
from qft.compose.words import words_as
from qft.config import ShowConfig
from qft.errors import QftError
from qft.progress import start_logging
from qft.records import Metrics, RunDirectory, to_json
from qft.reports import inventory
from qft.reports.one_run import Shown, read_run
from qft.runs import names, stored

USAGE = "RUN"


def arguments(args: list[str]) -> list[str]:
    """``qft show DIR`` is ``qft show run=DIR``."""
    return words_as("run", args)


def run(config: ShowConfig) -> None:
    """Read one run and print it."""
    start_logging()
    folder = stored.find(config.run, config.output_dir)
    if names.is_sweep(folder):
        raise QftError(f"{folder} is a sweep: qft sweep status {folder}, qft runs {folder} or qft report {folder}.")
    if not names.is_run(folder):
        raise QftError(f"{folder} is not a run directory.")
    line = inventory.run(folder)
    if line.state == inventory.DAMAGED:
        raise QftError(line.problem or f"{folder} is damaged.")
    shown = read_run(folder, line, config.answers)
    if config.format == "json":
        show("json", _document(shown), "", [], [])
        return
    show("table", None, f"{line.short} ({line.state})", ["what it was", ""], shown.what)
    if shown.how:
        show("table", None, "", ["how it went", ""], shown.how)
    if shown.curve:
        show("table", None, "", ["loss", *shown.curve[0]], shown.curve[1])
    if (folder / Metrics.FILE).is_file():
        metrics = RunDirectory(folder).metrics()
        _scores.report("table", folder, metrics, f"scores ({metrics.settings.prompts.count} test answers)")
    show_answers(shown.answers)
    print(f"  {folder}, {megabytes(line.size)}")


def _document(shown: Shown) -> dict[str, Any]:
    run = RunDirectory(shown.folder)
    record = to_json(run.record()) if (shown.folder / "record.json").is_file() else None
    metrics = to_json(run.metrics()) if (shown.folder / Metrics.FILE).is_file() else None
    document = {"run": to_json(shown.line), "record": record, "metrics": metrics}
    return document | {"answers": to_json(shown.answers)}


COMMAND = Command(ShowConfig, run, arguments)
