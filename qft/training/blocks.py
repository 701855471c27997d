"""Attention over packed samples, one at a time: a row of them costs the sum of squares, not the square of the sum.

torch's attention on a CPU computes what a mask throws away. With samples end to end in one row that is all but the
blocks on the diagonal, so they are computed alone, each with its part of the mask.
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

NAME = "sdpa_in_blocks"


def use(model: nn.Module) -> None:
    """Let a model on a CPU that uses torch's attention compute packed rows by blocks; leave any other as it is."""
    asked: Any = model
    config = asked.config
    if asked.device.type == "cpu" and config._attn_implementation == "sdpa":
        asked.set_attn_implementation(NAME)


def attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **kwargs: Any
) -> tuple[Tensor, None]:
    """As transformers' ``sdpa_attention_forward``, to which everything but a packed row is handed on.

    query (1, heads, t, d), key and value alike; position_ids (1, t) start anew at each sample. -> (1, t, heads, d).
    """
    starts = _starts(kwargs.get("position_ids"))
    if attention_mask is None or len(starts) < 2 or attention_mask.shape[-2:] != (query.shape[2], key.shape[2]):
        whole: tuple[Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
        return whole
    parts = []
    for start, stop in zip(starts, [*starts[1:], query.shape[2]], strict=True):
        rows = slice(start, stop)
        of_sample = (tensor[:, :, rows] for tensor in (query, key, value))
        mask = attention_mask[:, :, rows, rows]
        parts.append(sdpa_attention_forward(module, *of_sample, mask, **kwargs)[0])
    return torch.cat(parts, 1), None


def _starts(positions: Tensor | None) -> list[int]:
    """Where the samples of one packed row start; none where it is not one row that starts with one."""
    if positions is None or positions.dim() != 2 or len(positions) != 1:
        return []
    starts: list[int] = (positions[0] == 0).nonzero().flatten().tolist()
    return starts if starts[:1] == [0] else []


AttentionInterface.register(NAME, attention)
AttentionMaskInterface.register(NAME, sdpa_mask)
