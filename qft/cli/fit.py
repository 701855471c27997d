"""What methods can express of a trained adapter, layer by layer, apart from training.

``qft fit RUN``: each method is fitted by L-BFGS to what the run's adapter adds on its training text, beside the best
linear map of each rank and Adam after as many steps as the run took. Printed is the share that is left on other tokens.
"""

from qft.cli import _methods
from qft.cli._command import Command
from qft.cli._output import log, show
from qft.compose.words import words_as
from qft.config import FitConfig
from qft.progress import start_logging
from qft.records import Fit, LayerFit, read, to_json
from qft.runs import stored
from qft.runs.fit import PICTURE, fit

USAGE = "RUN"


def arguments(args: list[str]) -> list[str]:
    """``qft fit DIR`` is ``qft fit run=DIR``."""
    return words_as("run", args)


def run(config: FitConfig) -> None:
    """Fit, and print a line for each method: what is left in each layer, and what Adam leaves."""
    start_logging(config.verbose)
    subject = stored.subject(config)
    folder = fit(config, subject, _methods.named(subject.model, config.methods))
    found = read(folder / Fit.FILE, Fit)
    columns = ["method", "", *(_short(layer) for layer in found.layers)]
    rows: list[list[str | None]] = []
    for rank in dict.fromkeys(rank for layer in found.layers for rank in layer.ranks):
        rows.append([f"rank {rank}", "best", *(_two_digits(layer.ranks.get(rank)) for layer in found.layers)])
    for name in dict.fromkeys(each.method for layer in found.layers for each in layer.methods):
        fits = [next((each for each in layer.methods if each.method == name), None) for layer in found.layers]
        rows.append([name, "parameters", *(f"{each.parameters:,}" if each else None for each in fits)])
        rows.append([None, "best", *(_two_digits(each.left) if each else None for each in fits)])
        rows.append([None, "Adam", *(_two_digits(each.adam) if each else None for each in fits)])
    title = f"{found.run}: share left of what {found.adapter} adds"
    show(config.format, {"directory": str(folder)} | to_json(found), title, columns, rows)
    log.info("written: %s, %s", folder / Fit.FILE, folder / PICTURE)


def _two_digits(share: float | None) -> str | None:
    return None if share is None else f"{share:.2f}"


def _short(layer: LayerFit) -> str:
    return layer.layer.removeprefix("model.layers.").replace("self_attn.", "").replace("mlp.", "")


COMMAND = Command(FitConfig, run, arguments)
