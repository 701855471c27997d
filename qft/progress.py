"""What a run tells whoever watches it: progress bars for what takes long, and notes on standard error."""

import logging
import sys
from collections.abc import Iterable
from typing import TypeVar

from qft.names import visible

T = TypeVar("T")
DELAY = 2.0  # seconds
NOISY = ("httpx", "urllib3", "jieba", "absl", "matplotlib")


def watched() -> bool:
    """Whether someone watches standard error as it is written: on a terminal or in a notebook."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules


def bar(items: Iterable[T], title: str, unit: str = "") -> Iterable[T]:
    """The items themselves, with a progress bar where someone watches and it takes longer than DELAY.

    Args:
        items: What is iterated over.
        title: Of the bar.
        unit: What is counted: "batches".
    """
    from tqdm.auto import tqdm  # a widget in a notebook

    unit = f" {unit}".rstrip()
    shown: Iterable[T] = tqdm(items, title, file=sys.stderr, disable=not watched(), leave=False, delay=DELAY, unit=unit)
    return shown


class Plain(logging.Formatter):
    """Notes in which no name or answer steers the terminal; a traceback keeps its lines."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        return visible(super().format(record), keep="\n\t" if record.exc_info else "")


def start_logging(verbose: bool = False) -> None:
    """Set up the logging of a program that is qft: our notes to standard error, everything to a run's log.txt.

    What was set up before is dropped, so this is for the command line and for processes of a sweep, never for Python
    code that calls us.

    Args:
        verbose: Whether details (level DEBUG) go to standard error too.
    """
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    logging.getLogger("qft").setLevel(logging.DEBUG)
    for handler in list(root.handlers):
        root.removeHandler(handler)
    console = logging.StreamHandler(sys.stderr)
    console.setLevel(logging.DEBUG if verbose else logging.INFO)
    console.addFilter(lambda record: record.name.split(".")[0] == "qft")
    console.setFormatter(Plain("%(message)s"))
    root.addHandler(console)
    logging.captureWarnings(True)
    for noisy in NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)


def quiet_libraries() -> None:
    """Send the warnings of transformers to the loggers above it instead of standard error, and show none of its bars.

    Imports transformers.
    """
    from transformers.utils import logging as hf

    hf.disable_default_handler()
    hf.enable_propagation()
    hf.disable_progress_bar()
