"""Write a finished run as a plain model or as an ordinary LoRA that loads without qft.

``to=merged``: base and adapter as one model, for methods that are linear in their input; logits are compared before
it is called done. ``to=lora``: exact where the method has a LoRA rank, else the nearest LoRA on training samples, with
what was lost measured and written into its card.
"""

from pathlib import Path

from qft.cli._command import Command
from qft.cli._output import log, show
from qft.compose.words import words_as
from qft.config import ExportConfig
from qft.progress import start_logging
from qft.records import Export, read, to_json

USAGE = "RUN"


def arguments(args: list[str]) -> list[str]:
    """``qft export DIR`` is ``qft export run=DIR``."""
    return words_as("run", args)


def run(config: ExportConfig) -> None:
    """Export, and print what was measured."""
    from qft.export.export import export

    start_logging(config.verbose)
    folder = export(config)
    made = read(folder / Export.FILE, Export)
    rows = _rows(made)
    show(config.format, {"directory": str(folder)} | to_json(made), f"{folder} ({made.kind})", ["", ""], rows)
    log.info("written: %s", _files(folder))


def _rows(made: Export) -> list[list[str]]:
    agrees, found = made.agreement, made.conversion
    rows = [["logits differ by, of their size", f"{agrees.relative:.1e}"]]
    rows += [["the same next token", f"{agrees.same_token:.1%}"]]
    if found is None:
        return [["weights", made.dtype.removeprefix("torch.")], *rows]
    losses = found.losses
    head = [["rank", f"{found.rank}{', exact' if found.exact else ''}"], ["share explained", f"{found.share:.1%}"]]
    head += [["share explained at any rank", f"{found.linear_share:.1%}"]]
    head += [[f"{losses.samples} loss, {name}", f"{vars(losses)[name]:.4f}"] for name in ("adapter", "lora", "base")]
    scores = [[f"{n}, {m}", "-" if v is None else f"{v:.2f}"] for n, s in found.scores.items() for m, v in s.items()]
    return head + scores + rows


def _files(folder: Path) -> str:
    return f"{folder}/{{{','.join(sorted(path.name for path in folder.iterdir()))}}}"


COMMAND = Command(ExportConfig, run, arguments)
