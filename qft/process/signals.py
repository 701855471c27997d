"""Being told to stop: Ctrl-C, SIGTERM (Slurm, Kubernetes, torchrun) and SIGHUP (a closed terminal).

``listen`` turns these signals into an exception. ``DeferredStop`` holds them back while something is finished and
saved. A signal that was ignored when the program started (nohup) stays ignored. Imports next to nothing, so that the
program listens from its first lines on.
"""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing takes longer to load than the rest of this file
    from types import FrameType, TracebackType
    from typing import Any, NoReturn

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_postpone = False  # whether to postpone a signal that comes during an import
_terminals: list[int] = []  # descriptors that were terminals when we began to listen


class Stopped(KeyboardInterrupt):
    """This process was told to stop by the signal ``number``; its exit code is then 128 + number."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def number_of(interrupt: KeyboardInterrupt) -> int:
    """The signal behind an interrupt: that of ``Stopped``, else Ctrl-C's."""
    return interrupt.number if isinstance(interrupt, Stopped) else signal.SIGINT


def listen(*always: int, postpone: bool = False) -> dict[int, Any]:
    """From now on a signal to stop raises ``Stopped`` in the main thread. Does nothing in another thread.

    An exception in the middle of an import is swallowed or printed by some libraries and leaves others half loaded.
    There the process ends at once instead.

    Args:
        always: Signals to listen to even if they were ignored or blocked before.
        postpone: During an import, send the signal again until the import is over, instead of ending the process.

    Returns:
        The handlers that were replaced, for ``restore``.
    """
    global _postpone
    ours = [n for n in STOPPING if signal.getsignal(n) is not signal.SIG_IGN]
    try:
        before = {n: signal.signal(n, _stop) for n in dict.fromkeys((*ours, *always))}
    except ValueError:  # not the main thread
        return {}
    _postpone = postpone
    _terminals[:] = [d for d in (1, 2) if os.isatty(d)]
    signal.pthread_sigmask(signal.SIG_UNBLOCK, always)
    return before


def restore(before: dict[int, Any]) -> None:
    """Put back the handlers that ``listen`` replaced."""
    for number, handler in before.items():
        signal.signal(number, handler)


def end_quietly() -> None:
    """From now on a signal to stop ends the process at once: the work is done, and nobody would catch an exception."""
    for number in STOPPING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


class DeferredStop:
    """A context in which the first signal to stop is noted instead of raised, so that a step can be finished and saved.

    A second Ctrl-C raises ``Stopped``. SIGTERM and SIGHUP never do: Slurm, containers and terminals send them several
    times, and whoever means it sends SIGKILL. Outside the main thread, where handlers cannot be set, nothing is noted.

    Args:
        raise_second: Whether a second Ctrl-C raises.
        message: What to print on stderr at the first signal.

    Attributes:
        number: The first signal, None so far.
        repeated: Whether Ctrl-C came after it.
    """

    def __init__(self, raise_second: bool = True, message: str = "") -> None:
        self.number: int | None = None
        self.repeated = False
        self._raise_second, self._message = raise_second, message
        self._before: dict[int, Any] = {}

    def __enter__(self) -> DeferredStop:
        ours = [n for n in signal.valid_signals() if signal.getsignal(n) in (_stop, signal.default_int_handler)]
        try:
            self._before = {n: signal.signal(n, self._note) for n in ours}
        except ValueError:  # not the main thread
            self._before = {}
        return self

    def __exit__(self, kind: type | None, value: BaseException | None, trace: TracebackType | None) -> None:
        restore(self._before)

    def check(self) -> None:
        """Raise ``Stopped`` if a signal was noted."""
        if self.number is not None:
            raise Stopped(self.number)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            _leave_terminal()
        if self.number is None:
            self.number = number
            _print(self._message)
        elif number == signal.SIGINT:
            self.repeated = True
            if self._raise_second:
                raise Stopped(number)


class Blocked:
    """A context in which these signals wait: for this thread, and for a process that is started in it."""

    def __init__(self, *numbers: int) -> None:
        self._numbers = numbers

    def __enter__(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, self._numbers)

    def __exit__(self, kind: type | None, value: BaseException | None, trace: TracebackType | None) -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self._numbers)


def _stop(number: int, frame: FrameType | None) -> None:
    if number == signal.SIGHUP:
        _leave_terminal()
    if _importing(frame):
        if not _postpone:
            _print("qft: interrupted.")
            _end(number, frame)
        import threading

        threading.Timer(0.1, os.kill, (os.getpid(), number)).start()
        return
    for other in signal.valid_signals() - {signal.SIGINT}:  # a second one must not interrupt the cleaning up
        if signal.getsignal(other) is _stop:
            signal.signal(other, signal.SIG_IGN)
    raise Stopped(number)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    os._exit(128 + number)


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


def _print(text: str) -> None:
    """Print a line on stderr without the logging module, which may be what was interrupted."""
    try:  # noqa: SIM105 (contextlib takes long to load)
        os.write(2, f"{text}\n".encode() if text else b"")
    except OSError:
        pass


def _leave_terminal() -> None:
    """Send output nowhere: the terminal is gone, and a line written to it would raise and cost the checkpoint."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in _terminals:
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
