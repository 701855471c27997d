"""Forgetting: the loss on general text after fine-tuning, less that of the untuned base.

L = -1/T sum over all T predicted tokens of log p(token | tokens before, in its text), in nats. Texts are read one at a
time: nothing is padded, so that a loss depends neither on the other texts nor on the memory that is free.
"""

import hashlib
import importlib.metadata
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from qft import records
from qft.data.general import GeneralText
from qft.errors import Diverged, QftError
from qft.evaluation.intervals import RESAMPLES, SEED, bounds
from qft.evaluation.loss import sample_losses
from qft.records import Forgetting, GeneralRow, Plain, UntunedLosses
from qft.version import __version__

LIBRARIES = ("torch", "transformers")  # whose version may move a loss
Losses = list[tuple[float, int]]  # of each text: sum over its tokens in nats, number of tokens


@dataclass
class GeneralLoss:
    """General texts as tokens, and the losses of the untuned base on them once ``of_base`` was called.

    Attributes:
        tokenizer: The model's.
        rows: ``input_ids`` and ``labels`` of each text, equal.
        truncated: Texts that were cut at ``max_len`` tokens.
        max_len: The longest text, in tokens.
        sha256: Over the texts.
        before: What ``of_base`` found.
    """

    tokenizer: Any
    rows: list[dict[str, list[int]]]
    truncated: int
    max_len: int
    sha256: str
    before: Losses = field(default_factory=list)

    def of_base(self, base: Any, fingerprint: str, place: Path) -> None:
        """Find the losses of the untuned base: as another run has left them in ``place``, else by computing them.

        Args:
            base: The model, without an adapter.
            fingerprint: Of its files.
            place: Directory of runs; ``untuned-KEY.json`` is read or written there.
        """
        settings: Plain = {
            **{"base": fingerprint, "dtype": str(base.dtype), "device": str(base.device.type)},
            **{"threads": torch.get_num_threads(), "text": self.sha256, "max_seq_len": self.max_len},
            **{name: importlib.metadata.version(name) for name in LIBRARIES},
            "qft": __version__,
        }
        key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
        file = place / UntunedLosses.FILE.replace("KEY", key)
        self.before = _stored(file, settings, [len(row["input_ids"]) - 1 for row in self.rows])
        if not self.before:
            self.before = self._losses(base)
            place.mkdir(parents=True, exist_ok=True)
            records.write(file, UntunedLosses(settings, self.before))

    def of_tuned(self, model: Any, folder: Path) -> Forgetting:
        """Compare the fine-tuned model with its base, and write general.jsonl, a line a text.

        Args:
            model: With its adapter.
            folder: Directory of the evaluation.

        Raises:
            Diverged: A loss is not finite.
        """
        after = self._losses(model)
        lines = [
            GeneralRow(str(k), before / n, loss / n, n)
            for k, ((before, n), (loss, _)) in enumerate(zip(self.before, after, strict=True), 1)
        ]
        records.write_lines(folder / records.GENERAL, lines)
        return self._compared(after)

    def of_none(self) -> Forgetting:
        """What is said of the base alone: before and after are the same."""
        return self._compared(self.before)

    def _compared(self, after: Losses) -> Forgetting:
        tokens = sum(n for _, n in after)
        interval = None if after is self.before else _interval(self.before, after)
        first, last = (sum(loss for loss, _ in losses) / tokens for losses in (self.before, after))
        return Forgetting(first, last, interval, tokens, len(after), self.truncated, self.sha256)

    def _losses(self, model: Any) -> Losses:
        losses = sample_losses(model, self.tokenizer, self.rows, 1, "loss on general text")
        if not all(math.isfinite(loss) for loss, _ in losses):
            raise Diverged("The loss on general text is not a number: the base or what was trained is damaged.")
        return losses


def encode(text: GeneralText, tokenizer: Any, max_len: int) -> GeneralLoss:
    """The texts as tokens, with the special tokens that the tokenizer begins a text with.

    Args:
        text: What to read.
        tokenizer: The model's.
        max_len: Tokens that a text may have; longer ones are cut and counted.

    Raises:
        QftError: No text has two tokens, of which the second could be predicted.
    """
    every = [list(tokenizer(each)["input_ids"]) for each in text.texts]
    chosen = [ids for ids in every if len(ids) > 1]
    if not chosen or max_len < 2:
        raise QftError("evaluation.forgetting: no text has two tokens, so there is nothing to predict.")
    rows = [{"input_ids": ids[:max_len], "labels": ids[:max_len]} for ids in chosen]
    return GeneralLoss(tokenizer, rows, sum(len(ids) > max_len for ids in chosen), max_len, text.sha256)


def _stored(file: Path, settings: Plain, tokens: Sequence[int]) -> Losses:
    """The losses in the file; [] where there is none that was made with these settings on texts of these lengths."""
    if not file.is_file():
        return []
    try:
        known = records.read(file, UntunedLosses)
    except QftError:
        return []  # damaged: it is written again
    whole = known.settings == settings and [n for _, n in known.losses] == list(tokens)
    return known.losses if whole and all(math.isfinite(loss) for loss, _ in known.losses) else []


def _interval(before: Losses, after: Losses) -> records.Interval | None:
    """95 % of the difference, by bootstrap over texts; None for a single text."""
    if len(after) < 2:
        return None
    sums = np.array([(b, a, n) for (b, n), (a, _) in zip(before, after, strict=True)])  # (texts, 3)
    draws = np.random.default_rng(SEED).integers(len(sums), size=(RESAMPLES, len(sums)))
    drawn = sums[draws].sum(1)
    return bounds((drawn[:, 1] - drawn[:, 0]) / drawn[:, 2])
