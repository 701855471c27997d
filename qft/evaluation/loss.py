"""Cross-entropy per token over a set of rows, and its perplexity."""

import math
from typing import Any

import torch
from transformers import DataCollatorForSeq2Seq


@torch.no_grad()
def validation_loss(model: Any, tokenizer: Any, rows: list[dict[str, list[int]]], batch_size: int) -> dict[str, float]:
    """L = -1/T sum over the T supervised tokens of log p(token | before), in nats, and exp(L)."""
    model.eval()
    collate = DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=-100)
    total, tokens = 0.0, 0
    for start in range(0, len(rows), batch_size):
        batch = {k: v.to(model.device) for k, v in collate(rows[start : start + batch_size]).items()}
        labels = batch.pop("labels")[:, 1:]
        logits = model(**batch, use_cache=False).logits[:, :-1].float()
        total += torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), labels.flatten(), ignore_index=-100, reduction="sum"
        ).item()
        tokens += int((labels != -100).sum())
    loss = total / tokens
    return {"loss": loss, "perplexity": math.exp(min(loss, 700.0)), "tokens": tokens}
