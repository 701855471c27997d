"""Packed samples: the same loss and gradients as padded ones, validation padded, models that mix them refused."""

import pytest
import tiny
import torch
from peft import PrefixTuningConfig, get_peft_model
from transformers import Qwen2ForCausalLM

from qft.adapters import QWTHNConfig
from qft.errors import QftError
from qft.training import blocks, packing

ROWS = [{"input_ids": list(range(3, 3 + n)), "labels": [-100] * 2 + list(range(5, 3 + n))} for n in (9, 4, 13)]


class Padding:
    """What DataCollatorForSeq2Seq asks of a tokenizer."""

    padding_side = "right"

    def pad(self, features, **options):
        width = max(len(f["input_ids"]) for f in features)
        ids = [f["input_ids"] + [0] * (width - len(f["input_ids"])) for f in features]
        mask = [[1] * len(f["input_ids"]) + [0] * (width - len(f["input_ids"])) for f in features]
        labels = [f["labels"] + [-100] * (width - len(f["labels"])) for f in features]
        return {k: torch.tensor(v) for k, v in (("input_ids", ids), ("attention_mask", mask), ("labels", labels))}


def windowed():
    """Qwen2 whose second layer sees a few tokens only."""
    config = tiny.CONFIGS["qwen2"]()
    config.layer_types, config.sliding_window, config.use_sliding_window = (
        ["full_attention", "sliding_attention"],
        3,
        True,
    )
    torch.manual_seed(0)
    return Qwen2ForCausalLM(config)


@pytest.mark.parametrize("by_blocks", [True, False], ids=["by-blocks", "in-one"])
@pytest.mark.parametrize("family", ["qwen2", "llama", "gpt_neo", "windowed"])
def test_loss_and_gradients_equal_those_of_padding(family, by_blocks, monkeypatch):
    base = windowed() if family == "windowed" else tiny.build(family)
    model = get_peft_model(base, QWTHNConfig(task_type="CAUSAL_LM", init_seed=0))
    widths = []
    if by_blocks:
        blocks.use(model)
        original = blocks.sdpa_attention_forward
        monkeypatch.setattr(
            blocks, "sdpa_attention_forward", lambda m, q, *a, **k: widths.append(q.shape[2]) or original(m, q, *a, **k)
        )
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data += 0.1 * torch.randn_like(parameter)
    results = []
    for batch in (packing.collator()(ROWS), Padding().pad(ROWS)):
        model.zero_grad()
        loss = model(**batch, use_cache=False).loss
        loss.backward()
        results.append((loss, [p.grad.clone() for p in model.parameters() if p.grad is not None]))
    if by_blocks and family != "gpt_neo":  # which has its own attention
        assert widths == [9, 4, 13] * 2 + [13] * 2  # each sample alone, in two layers; then padded, in one
    (a, grads), (b, expected) = results
    # float32, two layers: sums of other lengths and orders
    torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)
    for mine, other in zip(grads, expected, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-3, atol=1e-5)


def test_a_packed_batch_holds_no_padding():
    batch = packing.collator()(ROWS)
    assert batch["input_ids"].shape == (1, 26) and batch["position_ids"][0, 9] == 0


def test_a_model_that_isolates_is_accepted():
    packing.check_isolated(tiny.build("qwen2"))


class Forgetful(torch.nn.Module):
    """A model that does not look at the positions it is given."""

    def __init__(self):
        super().__init__()
        self.model = tiny.build("qwen2")

    def get_input_embeddings(self):
        return self.model.get_input_embeddings()

    def forward(self, input_ids, position_ids=None, **options):
        return self.model(input_ids=input_ids, **options)


def test_a_model_that_mixes_samples_is_refused():
    with pytest.raises(QftError, match=r"packing=false"):
        packing.check_isolated(Forgetful())


def test_prefixes_do_not_fit_packed_rows():
    model = get_peft_model(tiny.build("qwen2"), PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3))
    with pytest.raises(QftError, match="packing"):
        packing.check_isolated(model)
