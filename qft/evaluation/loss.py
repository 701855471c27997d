"""Cross-entropy over a set of rows, per token and per sample, and its perplexity."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import DataCollatorForSeq2Seq

from qft.errors import Diverged
from qft.evaluation.intervals import RESAMPLES, SEED, bounds
from qft.progress import bar
from qft.records import Loss


@torch.no_grad()
def sample_losses(
    model: Any, tokenizer: Any, rows: list[dict[str, list[int]]], batch_size: int, title: str = "validation loss"
) -> list[tuple[float, int]]:
    """The loss of each row, in nats, and its number of supervised tokens, in order.

    The loss of a row is -sum of log p(token | tokens before) over its supervised tokens. Rows of about one length
    share a batch: what pads a batch costs as much as what is read.

    Args:
        model: What is evaluated.
        tokenizer: Pads the rows.
        rows: ``input_ids`` and ``labels``; -100 where a token does not count.
        batch_size: Rows side by side.
        title: Of the bar that is shown.
    """
    model.eval()
    collate = DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=-100)
    out: dict[int, tuple[float, int]] = {}
    for places in bar(batches([len(row["input_ids"]) for row in rows], batch_size), title, "batches"):
        batch = {k: v.to(model.device) for k, v in collate([rows[k] for k in places]).items()}
        labels = batch.pop("labels")[:, 1:]
        logits = model(**batch, use_cache=False).logits[:, :-1].float()
        each = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), labels.flatten(), ignore_index=-100, reduction="none"
        ).view(labels.shape)
        each_row = zip(each.sum(1, dtype=torch.float64).tolist(), (labels != -100).sum(1).tolist(), strict=True)
        out |= dict(zip(places, each_row, strict=True))
    return [out[k] for k in range(len(rows))]


def batches(lengths: Sequence[int], size: int) -> list[list[int]]:
    """Positions of rows in batches of ``size``, by length, the shortest first; of equal lengths in their order."""
    by_length = sorted(range(len(lengths)), key=lambda k: lengths[k])
    return [by_length[start : start + size] for start in range(0, len(lengths), size)]


def summarise(losses: list[tuple[float, int]]) -> Loss:
    """The loss of a whole set, in nats, from what ``sample_losses`` gives.

    ``loss``: L = -1/T sum over all T supervised tokens of log p(token | tokens before), as in training;
    ``perplexity``: exp(L); ``interval``: 95 % of L, by bootstrap over samples; ``loss_per_sample``: the mean over
    samples of their mean per token. Raises Diverged for a loss that is not finite.
    """
    table = np.array(losses)  # (samples, 2)
    total, tokens = table.sum(0)
    loss = float(total / tokens)
    if not math.isfinite(loss):
        raise Diverged("The loss on the validation set is not a number: the base or what was trained is damaged.")
    interval = None
    if len(table) > 1:
        draws = np.random.default_rng(SEED).integers(len(table), size=(RESAMPLES, len(table)))
        sums = table[draws].sum(1)
        interval = bounds(sums[:, 0] / sums[:, 1])
    return Loss(
        loss=loss,
        perplexity=math.exp(min(loss, 700.0)),
        interval=interval,
        loss_per_sample=float((table[:, 0] / table[:, 1]).mean()),
        tokens=int(tokens),
        samples=len(table),
    )
