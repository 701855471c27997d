"""How far jobs at a service are: a bar on a terminal, else a line now and then."""

import logging
import sys
import time
from collections.abc import Mapping
from typing import Any

log = logging.getLogger(__name__)

EVERY = 30.0  # seconds between two lines where there is no terminal


class JobProgress:
    """Circuits done, and jobs in each state."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._expected = self._done = 0
        self._last = time.monotonic()

    def expect(self, circuits: int) -> None:
        """So many circuits more are waited for."""
        self._expected += circuits
        if self._bar is None and sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(desc="circuits", file=sys.stderr, total=0, leave=False)
        if self._bar is not None:
            self._bar.total = self._expected
            self._bar.refresh()

    def done(self, circuits: int) -> None:
        """A job with so many circuits has ended."""
        self._done += circuits
        if self._bar is not None:
            self._bar.update(circuits)

    def show(self, states: Mapping[str, int]) -> None:
        """How many of the open jobs are in each state."""
        text = ", ".join(f"{n} {state}" for state, n in sorted(states.items()))
        if self._bar is not None:
            self._bar.set_postfix_str(text)
        elif time.monotonic() - self._last > EVERY:
            self._last = time.monotonic()
            log.info("%d of %d circuits; jobs: %s", self._done, self._expected, text or "none open")

    def close(self) -> None:
        """End the bar."""
        if self._bar is not None:
            self._bar.close()
