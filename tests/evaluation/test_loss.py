"""Losses against the definition, row by row; intervals and means by hand."""

import math

import pytest
import tiny
import torch

from qft.evaluation.decoding import LARGEST, batch_size
from qft.evaluation.loss import sample_losses, summarise


class Padding:
    """What the collator needs of a tokenizer; it pads the labels itself."""

    padding_side = "right"

    def pad(self, features: list[dict], **kwargs: object) -> dict:
        width = max(len(f["input_ids"]) for f in features)
        ids = [f["input_ids"] + [0] * (width - len(f["input_ids"])) for f in features]
        mask = [[1] * len(f["input_ids"]) + [0] * (width - len(f["input_ids"])) for f in features]
        return {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}


def test_each_samples_loss() -> None:
    model = tiny.build("llama")
    rows = []
    for n, cut in ((9, 4), (5, 1), (7, 6)):
        ids = tiny.tokens(1, n, seed=n)[0].tolist()
        rows.append({"input_ids": ids, "labels": [-100] * cut + ids[cut:]})
    expected = []
    for row in rows:
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([row["input_ids"]])).logits[0].log_softmax(-1)
        places = [k for k, label in enumerate(row["labels"]) if label != -100 and k > 0]
        expected.append((-sum(float(logits[k - 1, row["labels"][k]]) for k in places), len(places)))
    for size in (1, 2, 8):
        found = sample_losses(model, Padding(), [dict(r) for r in rows], size)
        assert [n for _, n in found] == [5, 4, 1]
        assert [s for s, _ in found] == pytest.approx([s for s, _ in expected], rel=1e-5)


def test_means_and_interval() -> None:
    # 2 nats over 1 token and 3 over 3: 5 / 4 per token, (2 + 1) / 2 per sample. A draw of two has twice the first,
    # twice the second or both: 2, 1 or 5/4, with probabilities 1/4, 1/4, 1/2.
    found = summarise([(2.0, 1), (3.0, 3)])
    assert found.loss == 1.25 and found.perplexity == pytest.approx(math.exp(1.25))
    assert found.loss_per_sample == 1.5 and found.tokens == 4 and found.samples == 2
    assert found.interval == (1.0, 2.0)
    assert summarise([(2.0, 1)]).interval is None


def test_batches_fit_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny.build("qwen2")
    # float32: 2 layers x 2 heads x 8 wide, keys and values: 256 bytes a token; 16 x 32 numbers of hidden states:
    # 2048; logits of the last token: 97 x (4 + 8) = 1164. A row of 100 tokens: 231,564 bytes.
    for rows, free in ((1, 0), (1, 2 * 231_564), (1, 2 * 2 * 231_564 - 1), (2, 2 * 2 * 231_564), (4, 2 * 7 * 231_564)):
        monkeypatch.setattr("psutil.virtual_memory", lambda free=free: type("M", (), {"available": free}))
        assert batch_size(model, 100) == rows
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("M", (), {"available": 10**12}))
    assert batch_size(model, 100) == LARGEST
    for family in tiny.CONFIGS:
        assert batch_size(tiny.build(family), 100, all_logits=True) == LARGEST
