"""Put a run's adapter, or what ``qft export`` wrote, on the Hugging Face hub; private unless you say otherwise.

The token is the hub's own: ``hf auth login``, or HF_TOKEN. ``dry_run=true`` lists the files and sends nothing.
"""

from qft.cli._command import Command
from qft.cli._output import log, megabytes, show
from qft.compose.words import words_as
from qft.config import PushConfig
from qft.progress import start_logging

USAGE = "RUN"


def arguments(args: list[str]) -> list[str]:
    """``qft push DIR`` is ``qft push run=DIR``."""
    return words_as("run", args)


def run(config: PushConfig) -> None:
    """Push, or list what would be pushed."""
    from qft.export.hub import push

    start_logging(config.verbose)
    pushed = push(config)
    rows = [[file.name, megabytes(file.size)] for file in pushed.files]
    document = {"repo": pushed.repo, "url": pushed.url, "files": {file.name: file.size for file in pushed.files}}
    show(config.format, document, f"{pushed.folder} -> {pushed.repo}", ["file", "size"], rows)
    log.info("%s", f"pushed: {pushed.url}" if pushed.url else "dry run: nothing was sent")


COMMAND = Command(PushConfig, run, arguments)
