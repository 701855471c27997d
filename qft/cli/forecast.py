"""What a chip will do to a trained run, before anything is sent: loss, scores, layers, shots, circuits, money.

``qft forecast RUN chip=NAME shots=N`` simulates the chip's errors exactly and its shots as draws, and says the
held-out loss and the scores with their intervals, which layers suffer, what more shots buy and what it all takes.
"""

from qft.cli._command import Command
from qft.cli._output import log, show
from qft.compose import configs
from qft.compose.words import words_as
from qft.config import ForecastConfig
from qft.errors import QftError, nearest
from qft.progress import start_logging
from qft.quantum import calibration
from qft.records import to_json

USAGE = "RUN"
CALIBRATED = "chip"  # the choice of backend.noise that stands for all calibrations


def arguments(args: list[str]) -> list[str]:
    """``qft forecast DIR chip=NAME`` is ``qft forecast run=DIR chip=NAME backend.noise=NAME``."""
    chips = [a.partition("=")[2] for a in args if a.startswith("chip=")][-1:]
    known = [name for name in configs.groups()["backend/noise"] if name != CALIBRATED] + calibration.names()
    for chip in (given.strip("'\"") for given in chips):
        if chip not in known and not calibration.is_one(chip):
            hint = nearest(chip, known)
            raise QftError(f"chip={chip} does not exist.{hint} The calibration of another chip is a FILE.json.")
    return [*words_as("run", args), *(f"backend.noise={chip}" for chip in chips)]


def run(config: ForecastConfig) -> None:
    """Forecast, write and print."""
    from qft.reports import forecast as report
    from qft.reports.render.forecast import everything
    from qft.runs.forecast import forecast, place

    start_logging(config.verbose)
    made = forecast(config)
    written = everything(place(config, made), made)
    if config.format == "json":
        show("json", to_json(made), "", [], [])
    else:
        for section in report.sections(made):
            if section.lead:
                print(section.lead)
            if table := section.table:
                rows = [[entry.text for entry in row] for row in table.rows]
                show("table", None, table.title, table.columns, rows)
    for path in written:
        log.info("written: %s", path)


COMMAND = Command(ForecastConfig, run, arguments)
