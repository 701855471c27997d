"""Being told to stop: Ctrl-C, SIGTERM (Slurm, Kubernetes, torchrun) and SIGHUP (a closed terminal).

``listen`` turns them into an exception, ``Noted`` into a note for whoever has something to finish and save first.
A signal that was ignored when the program started (nohup) stays ignored. Imports next to nothing, so that the program
listens from its first lines on.
"""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing takes longer to load than the rest of this file
    from types import FrameType, TracebackType
    from typing import Any, NoReturn

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_postpone = False  # a signal that comes during an import
_terminals: list[int] = []  # descriptors that were terminals when we began to listen


class Stopped(KeyboardInterrupt):
    """This process was told to stop by the signal ``number``; its exit code is then 128 + number."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def listen(*always: int, postpone: bool = False) -> dict[int, Any]:
    """From now on a signal to stop raises Stopped in the main thread; returns the handlers there were before.

    Libraries that are interrupted by an exception while they are imported swallow it, print it or stay half loaded.
    There the process ends at once; with ``postpone`` it is told again until the import is over. Signals in
    ``always`` are listened to even where they were ignored or blocked. In another thread this does nothing.
    """
    global _postpone
    heard = [n for n in STOPPING if signal.getsignal(n) is not signal.SIG_IGN]
    try:
        before = {n: signal.signal(n, _stop) for n in dict.fromkeys((*heard, *always))}
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
    """From now on a signal to stop ends the process at once: all is done, and an exception would only be printed."""
    for number in STOPPING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


class Noted:
    """While entered, signals to stop are noted: ``number`` is the first, ``twice`` says that Ctrl-C came after it.

    Ctrl-C again raises Stopped, unless ``again`` is false. SIGTERM and SIGHUP never do: Slurm, containers and
    terminals send them several times, and whoever means it sends SIGKILL. ``said`` is printed at the first.
    """

    def __init__(self, again: bool = True, said: str = "") -> None:
        self.number: int | None = None
        self.twice = False
        self._again, self._said = again, said
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Noted:
        heard = [n for n in signal.valid_signals() if signal.getsignal(n) in (_stop, signal.default_int_handler)]
        try:
            self._before = {n: signal.signal(n, self._note) for n in heard}
        except ValueError:  # not the main thread: signals are no concern of ours
            self._before = {}
        return self

    def __exit__(self, kind: type | None, value: BaseException | None, trace: TracebackType | None) -> None:
        restore(self._before)

    def check(self) -> None:
        """Raise Stopped where a signal was noted."""
        if self.number is not None:
            raise Stopped(self.number)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            _leave_terminal()
        if self.number is None:
            self.number = number
            _say(self._said)
        elif number == signal.SIGINT:
            self.twice = True
            if self._again:
                raise Stopped(number)


def _stop(number: int, frame: FrameType | None) -> None:
    if number == signal.SIGHUP:
        _leave_terminal()
    if _importing(frame):
        if not _postpone:
            _say("qft: interrupted.")
            _end(number, frame)
        import threading

        threading.Timer(0.1, os.kill, (os.getpid(), number)).start()
        return
    for other in signal.valid_signals() - {signal.SIGINT}:  # sent again they must not interrupt the tidying up
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


def _say(text: str) -> None:
    """Print a line without logging, which may be what was interrupted."""
    try:  # noqa: SIM105 (contextlib takes long to load)
        os.write(2, f"{text}\n".encode() if text else b"")
    except OSError:
        pass


def _leave_terminal() -> None:
    """The terminal is gone: a bar or a line written to it would raise and cost the checkpoint."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in _terminals:
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
