"""The text of an answer as it is written, by transformers' streamer.

The pieces joined are the answer as ``qft eval`` would write it down: without the tokens that end it, and stripped.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any

import torch
from transformers import TextStreamer


class Pieces(TextStreamer):  # type: ignore[misc]
    """Hands on the answer piece by piece.

    Args:
        tokenizer: The model's.
        left_out: Ids of tokens that are no text: those that end an answer, padding.
        receive: Called with each piece, in order; never with an empty one.
        stops: Texts that end the answer before them.

    Attributes:
        stopped: Whether one of ``stops`` was written.
    """

    def __init__(
        self, tokenizer: Any, left_out: Collection[int], receive: Callable[[str], None], stops: Sequence[str] = ()
    ) -> None:
        super().__init__(tokenizer, skip_prompt=True, skip_special_tokens=False)
        self._left_out, self._receive, self._stops = frozenset(left_out), receive, tuple(s for s in stops if s)
        self._pending = ""  # written, and not yet handed on
        self._begun = False
        self.stopped = False

    def put(self, value: torch.Tensor) -> None:
        """Tokens from ``generate``, the prompt first."""
        if self.next_tokens_are_prompt:
            super().put(value)
        elif kept := [token for token in value.flatten().tolist() if token not in self._left_out]:
            super().put(torch.tensor(kept))

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        """Hand on what no later token can change or take back."""
        if self.stopped:
            return
        self._pending += text
        ends = [at for stop in self._stops if (at := self._pending.find(stop)) >= 0]
        if ends:
            self.stopped = True
            self._pending = self._pending[: min(ends)]
        if not self._begun:
            self._pending = self._pending.lstrip()
        ready = self._pending if stream_end or self.stopped else self._pending[: self._certain()]
        ready = ready.rstrip()
        self._pending = self._pending[len(ready) :]
        if ready:
            self._begun = True
            self._receive(ready)

    def _certain(self) -> int:
        """How many of the pending characters are not the beginning of a text that ends the answer."""
        pending = self._pending
        longest = max((len(stop) for stop in self._stops), default=1) - 1
        for kept in range(max(0, len(pending) - longest), len(pending)):
            if any(stop.startswith(pending[kept:]) for stop in self._stops):
                return kept
        return len(pending)
