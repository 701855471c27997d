"""The loss of a model on each held-out sample: batched, nothing is generated."""

import math
from collections.abc import Sequence
from typing import Any

from qft.data.messages import Sample
from qft.data.template import Encoded
from qft.errors import Diverged
from qft.evaluation.loss import sample_losses
from qft.records import HeldoutLoss


def measure(
    model: Any, tokenizer: Any, encoded: Encoded, samples: Sequence[Sample], batch_size: int
) -> list[HeldoutLoss]:
    """The loss of each held-out sample, in the order of ``encoded``.

    Samples of about one length share a batch: what pads a batch costs as much as what is read.

    Args:
        model: The trained model, or the untuned base.
        tokenizer: Pads the rows.
        encoded: The held-out part as tokens.
        samples: The samples that it was encoded from.
        batch_size: Rows side by side.

    Raises:
        Diverged: A loss is NaN or infinite.
    """
    by_length = sorted(range(len(encoded.rows)), key=lambda k: len(encoded.rows[k]["input_ids"]))
    title = "held-out loss"
    losses = sample_losses(model, tokenizer, [encoded.rows[k] for k in by_length], batch_size, title)
    measured = dict(zip(by_length, losses, strict=True))
    by_id = {sample.id: sample for sample in samples}
    rows = []
    for k, name in enumerate(encoded.ids):
        loss, tokens = measured[k]
        if not math.isfinite(loss):
            raise Diverged(f"The loss on the held-out sample {name} is not a number.")
        rows.append(HeldoutLoss(by_id[name].digest(), by_id[name].family, loss, tokens))
    return rows
