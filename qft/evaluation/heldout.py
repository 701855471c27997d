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

    Args:
        model: The trained model, or the untuned base.
        tokenizer: Pads the rows.
        encoded: The held-out part as tokens.
        samples: The samples that it was encoded from.
        batch_size: Rows side by side.

    Raises:
        Diverged: A loss is NaN or infinite.
    """
    losses = sample_losses(model, tokenizer, encoded.rows, batch_size, "held-out loss")
    by_id = {sample.id: sample for sample in samples}
    rows = []
    for name, (loss, tokens) in zip(encoded.ids, losses, strict=True):
        if not math.isfinite(loss):
            raise Diverged(f"The loss on the held-out sample {name} is not a number.")
        rows.append(HeldoutLoss(by_id[name].digest(), by_id[name].family, loss, tokens))
    return rows
