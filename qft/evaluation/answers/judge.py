"""One process that compares answers, reused for all of them and replaced when a comparison takes too long.

The limit of a comparison is counted in CPU seconds of that process, which starts and imports before its first question,
so that a busy machine makes no right answer wrong. What the machine does to the process, such as killing it when memory
runs out, is not a verdict: a new process tries the comparison again, and after that it is not judged.
"""

import importlib.util
import json
import os
import selectors
import signal
import subprocess
import sys
from dataclasses import dataclass
from types import TracebackType

import psutil

from qft.errors import QftError
from qft.evaluation.answers import equality

TRIES = 3  # processes that are started for one comparison
IDLE = 60.0  # seconds after which a process that has not computed at all is given up
LONGEST = 2000  # characters of an answer; longer ones are compared as text


@dataclass(frozen=True)
class Comparison:
    """Whether two answers are the same.

    Attributes:
        same: None where it is not known: the limit was reached, or the machine failed.
        seconds: CPU seconds that were used.
        fault: What happened to the machine, "" where nothing did.
    """

    same: bool | None
    seconds: float = 0.0
    fault: str = ""


class _Fault(Exception):
    """What happened to the process, for no reason of the comparison's."""


def check() -> None:
    """Raise QftError where math-verify, which compares answers, is not installed."""
    if importlib.util.find_spec("math_verify") is None:
        raise QftError("Comparing answers needs the package math-verify: pip install 'math-verify[antlr4_9_3]'.")


class Judge:
    """``with Judge() as judge: judge("57", "57.0", seconds=5).same``: True, False, or None where it is not known."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Of the process that compares; None while there is none."""
        return self._process.pid if self._process else None

    def __enter__(self) -> "Judge":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def __call__(self, target: str, candidate: str, seconds: float) -> Comparison:
        """Compare two answers.

        Args:
            target: The right answer.
            candidate: The answer to judge.
            seconds: CPU seconds that the comparison may take.

        Raises:
            QftError: The process that compares cannot be started.
        """
        if max(len(target), len(candidate)) > LONGEST:
            return Comparison(target.strip() == candidate.strip())
        if (known := equality.at_once(target, candidate)) is not None:
            return Comparison(known)  # most comparisons need no process
        question = json.dumps({"target": target, "candidate": candidate, "seconds": seconds}).encode() + b"\n"
        fault = ""
        for _ in range(TRIES):
            process = self._process or self._started()
            try:
                reply = self._ask(process, question)
            except _Fault as error:
                fault = str(error)
                self._stop()
                continue
            if reply is None:
                self._stop()
                return Comparison(None, seconds)
            return reply
        return Comparison(None, 0.0, fault)

    def _ask(self, process: subprocess.Popen[bytes], question: bytes) -> Comparison | None:
        """The reply; None where the limit ended the process. Raises _Fault where anything else did."""
        assert process.stdin is not None
        try:
            process.stdin.write(question)
        except OSError:
            raise _Fault(f"its process {_end(process.wait())}") from None
        if line := self._line(process):
            return Comparison(**json.loads(line))
        if (code := process.wait()) == -signal.SIGPROF:
            return None
        raise _Fault(f"its process {_end(code)}")

    def _started(self) -> subprocess.Popen[bytes]:
        """A process that has imported everything it needs and waits for its first question."""
        check()
        fault = ""
        for _ in range(TRIES):
            try:
                # by its path, with nothing of this folder on the child's search path: it needs math-verify only
                process = subprocess.Popen(
                    [sys.executable, "-P", equality.__file__],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    bufsize=0,
                )
                self._process = process
                if self._line(process):
                    return process
                fault = f"its process {_end(process.wait())}"
                if process.stderr is not None and (text := process.stderr.read().decode(errors="replace").strip()):
                    fault = text.splitlines()[-1]
            except (OSError, _Fault) as error:
                fault = str(error)
            self._stop()
        raise QftError(f"Answers cannot be compared, because the process for it does not start: {fault}.")

    def _line(self, process: subprocess.Popen[bytes]) -> bytes:
        """The next line; b"" once the process has ended. Raises _Fault where it has stopped computing."""
        assert process.stdout is not None
        received, computed = b"", -1.0
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while not received.endswith(b"\n"):
                if selector.select(IDLE):
                    if not (chunk := os.read(process.stdout.fileno(), 4096)):
                        return b""
                    received += chunk
                    continue
                before, computed = computed, _computed(process.pid)
                if before == computed:
                    raise _Fault(f"its process stood still for {IDLE:g} seconds")
        return received

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _computed(pid: int) -> float:
    """CPU seconds of a process so far."""
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


def _end(code: int) -> str:
    try:
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    except ValueError:
        return f"was ended by signal {-code}"
