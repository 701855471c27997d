"""Packing: the samples of a batch end to end in one row, without padding, each seeing itself alone.

Positions start anew at each sample, which is how the model's attention tells them apart; the first token of a
sample is predicted from nothing. The loss is the mean over the same supervised tokens as with padding.
"""

from typing import Any

import torch
from torch import nn
from transformers import DataCollatorWithFlattening

from qft.errors import QftError, first_line

_CLOSE = 1e-3  # of the largest logit, in float32: isolated rows agree to rounding, others by far not


def collator() -> DataCollatorWithFlattening:
    """[{"input_ids", "labels"}, ...] -> input_ids, labels, position_ids, each (1, tokens)."""
    return DataCollatorWithFlattening(return_position_ids=True, separator_id=-100)


@torch.no_grad()
def check_isolated(model: nn.Module) -> None:
    """Try two short samples end to end: the second must not notice the first. Raises QftError where it does.

    A trial, because nothing else tells: a model (or adapter) that ignores the starts of samples in
    ``position_ids`` mixes them without complaint.
    """
    training = model.training
    model.eval()
    embedding: Any = model.get_input_embeddings()  # type: ignore[operator]
    size, place = embedding.weight.shape[0], embedding.weight.device
    first, second = ([(k * step + 3) % size for k in range(8)] for step in (5, 11))
    packed = collator()([{"input_ids": ids, "labels": ids} for ids in (first, second)])
    packed = {k: v.to(place) for k, v in packed.items() if k != "labels"}
    try:
        together = model(**packed, use_cache=False).logits[0, 8:].float()
        alone = model(input_ids=torch.tensor([second], device=place), use_cache=False).logits[0].float()
    except (RuntimeError, TypeError, ValueError) as error:
        raise QftError(f"trainer.packing=true does not work with this model: {first_line(error)}") from error
    finally:
        model.train(training)
    tolerance = _CLOSE if embedding.weight.dtype == torch.float32 else 50 * _CLOSE
    if (together - alone).abs().max() > tolerance * alone.abs().max():
        raise QftError("This model does not keep packed samples apart; set trainer.packing=false.")
