"""One process that compares answers, reused for all of them and replaced when a comparison takes too long."""

import json
import subprocess
import sys
from types import TracebackType

from qft.errors import QftError
from qft.evaluation import equality


class Judge:
    """``with Judge() as judge: judge("57", "57.0", seconds=5)``: True, False, or None where time ran out."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> "Judge":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        self._stop()

    def __call__(self, target: str, candidate: str, seconds: float) -> bool | None:
        """Compare; a process that was killed at its limit is replaced at the next call."""
        if (plain := equality.tidy(target)) and plain == equality.tidy(candidate):
            return True  # the commonest case needs no process
        process = self._process or self._start()
        assert process.stdin is not None and process.stdout is not None
        question = {"target": target, "candidate": candidate, "seconds": seconds}
        process.stdin.write(json.dumps(question) + "\n")
        process.stdin.flush()
        if answer := process.stdout.readline():
            return json.loads(answer)
        self._stop()
        return None

    def _start(self) -> subprocess.Popen[str]:
        # by its path, with nothing of this folder on the child's search path: it needs math-verify only
        self._process = subprocess.Popen(
            [sys.executable, "-P", equality.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            self._stop()
            raise QftError("Comparing answers needs the package math-verify: pip install 'math-verify[antlr4_9_3]'.")
        return self._process

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None
