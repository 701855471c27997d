"""What a run tells whoever watches it: progress bars for what takes long, and notes on standard error."""

import logging
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from qft.names import visible

T = TypeVar("T")
DELAY = 2.0  # seconds
_lock = threading.Lock()
_borrowers = 0  # calls from Python at this moment
_before: list[Any] = []  # what the first of them found
_shown: list[Callable[[logging.LogRecord], bool]] = []  # its filter
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


@contextmanager
def borrow_logging(verbose: bool = False) -> Iterator[None]:
    """Let every detail of ours reach log.txt while Python code calls us; the caller's logging shows what it would.

    Where the caller has set up none, warnings of ours go to standard error, as Python does it. What is set here, and
    by ``quiet_libraries`` meanwhile, is put back at the end of the outermost call.

    Args:
        verbose: Whether notes of ours are shown, however the caller's logging is set.
    """
    global _borrowers
    ours, root = logging.getLogger("qft"), logging.getLogger()
    with _lock:
        _borrowers += 1
        if _borrowers == 1:
            captured = warnings.showwarning.__module__ == "logging"
            _before.append((ours.level, list(root.handlers), captured, _library_state()))
            least = min(ours.getEffectiveLevel(), logging.INFO if verbose else logging.CRITICAL)
            if not root.handlers:
                console = logging.StreamHandler(sys.stderr)
                console.setFormatter(Plain("%(message)s"))
                console.addFilter(lambda record: record.name.split(".")[0] == "qft")
                root.addHandler(console)
            logging.captureWarnings(True)
            _shown.append(lambda record: record.name.split(".")[0] != "qft" or record.levelno >= least)
            for handler in root.handlers:
                handler.addFilter(_shown[0])
            ours.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        with _lock:
            _borrowers -= 1
            if _borrowers == 0:
                level, handlers, captured, libraries = _before.pop()
                if not captured:
                    logging.captureWarnings(False)
                shown = _shown.pop()
                for handler in list(root.handlers):
                    handler.removeFilter(shown)
                root.handlers[:] = handlers
                ours.setLevel(level)
                _restore_libraries(libraries)


def _library_state() -> tuple[bool, list[logging.Handler], bool] | None:
    """How transformers speaks: whether to the loggers above it, by which handlers, and with bars; None: not loaded."""
    if "transformers" not in sys.modules:
        return None
    from transformers.utils import logging as hf

    library = logging.getLogger("transformers")
    return library.propagate, list(library.handlers), hf.is_progress_bar_enabled()


def _restore_libraries(state: tuple[bool, list[logging.Handler], bool] | None) -> None:
    if "transformers" not in sys.modules:
        return
    from transformers.utils import logging as hf

    library = logging.getLogger("transformers")
    if state is None:
        hf.enable_default_handler()
        hf.disable_propagation()
    else:
        library.propagate, library.handlers[:] = state[0], state[1]
    if state is None or state[2]:
        hf.enable_progress_bar()


def quiet_libraries() -> None:
    """Send the warnings of transformers to the loggers above it instead of standard error, and show none of its bars.

    Imports transformers.
    """
    from transformers.utils import logging as hf

    hf.disable_default_handler()
    hf.enable_propagation()
    hf.disable_progress_bar()
