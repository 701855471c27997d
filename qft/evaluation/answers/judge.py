"""One process that compares answers, reused for all of them and replaced when a comparison takes too long.

A comparison's limit is counted in seconds of computing (CPU time of that process, which starts and imports before
its first question), so that a busy machine makes no right answer wrong. What the machine itself does to the process,
such as ending it for want of memory, is no verdict: the comparison is tried again by a new one, and at last not judged.
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
IDLE = 60.0  # seconds in which a process that is waited for has to compute at all
LONGEST = 2000  # characters of an answer: a longer one is the same only where it is written the same


@dataclass(frozen=True)
class Comparison:
    """``same`` is None where it is not known: the limit was reached, or the machine failed, which ``fault`` says.

    ``seconds`` of computing went into it.
    """

    same: bool | None
    seconds: float = 0.0
    fault: str = ""


class _Fault(Exception):
    """What happened to the process, and not because of what it compares."""


def check() -> None:
    """Raise QftError where answers cannot be compared on this machine."""
    if importlib.util.find_spec("math_verify") is None:
        raise QftError("Comparing answers needs the package math-verify: pip install 'math-verify[antlr4_9_3]'.")


class Judge:
    """``with Judge() as judge: judge("57", "57.0", seconds=5).same``: True, False, or None where it is not known."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Judge":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        self._stop()

    def __call__(self, target: str, candidate: str, seconds: float) -> Comparison:
        """Compare within ``seconds`` of computing. Raises QftError where no process can be started."""
        if max(len(target), len(candidate)) > LONGEST:
            return Comparison(target.strip() == candidate.strip())
        if (known := equality.at_once(target, candidate)) is not None:
            return Comparison(known)  # the commonest cases need no process
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
            return Comparison(reply["same"], reply["seconds"])
        return Comparison(None, 0.0, fault)

    def _ask(self, process: subprocess.Popen[bytes], question: bytes) -> dict | None:
        """The reply, None where the limit ended the process. Raises _Fault for any other end."""
        assert process.stdin is not None
        try:
            process.stdin.write(question)
        except OSError:
            raise _Fault(f"its process {_end(process.wait())}") from None
        if line := self._line(process):
            return json.loads(line)
        if (code := process.wait()) == -signal.SIGPROF:
            return None
        raise _Fault(f"its process {_end(code)}")

    def _started(self) -> subprocess.Popen[bytes]:
        """A process that has imported all it needs and waits for its first question."""
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
                if process.stderr is not None and (said := process.stderr.read().decode(errors="replace").strip()):
                    fault = said.splitlines()[-1]
            except (OSError, _Fault) as error:
                fault = str(error)
            self._stop()
        raise QftError(f"Answers cannot be compared, for what compares them does not start: {fault}.")

    def _line(self, process: subprocess.Popen[bytes]) -> bytes:
        """The next line, b"" at the end of the process. Raises _Fault for one that has stopped computing."""
        assert process.stdout is not None
        found, computed = b"", -1.0
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while not found.endswith(b"\n"):
                if selector.select(IDLE):
                    if not (chunk := os.read(process.stdout.fileno(), 4096)):
                        return b""
                    found += chunk
                    continue
                before, computed = computed, _computed(process.pid)
                if before == computed:
                    raise _Fault(f"its process stood still for {IDLE:g} seconds")
        return found

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _computed(pid: int) -> float:
    """Seconds of computing of a process so far."""
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return times.user + times.system


def _end(code: int) -> str:
    try:
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    except ValueError:
        return f"was ended by signal {-code}"
