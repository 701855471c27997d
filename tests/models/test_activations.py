"""What layers read and what adapters add, against the model run by hand."""

from types import SimpleNamespace

import pytest
import tiny
import torch
from peft import LoraConfig, get_peft_model

from qft.adapters import METHODS
from qft.models import activations

PADDING = SimpleNamespace(pad_token_id=0)
LENGTHS = (7, 3, 5, 7, 2)
FIRST = "model.layers.0.self_attn.q_proj"


def encoded():
    generator = torch.Generator().manual_seed(3)
    return [{"input_ids": torch.randint(2, tiny.VOCAB, (length,), generator=generator).tolist()} for length in LENGTHS]


def adapted(name):
    config = LoraConfig(target_modules=["q_proj", "v_proj"]) if name == "lora" else METHODS[name](init_seed=0)
    model = get_peft_model(tiny.build("qwen2"), config).eval()
    with torch.no_grad():
        for p in (p for p in model.parameters() if p.requires_grad):
            p.add_(torch.randn(p.shape, generator=torch.Generator().manual_seed(5)) * 0.1)
    return model


@pytest.mark.parametrize("name", ["lora", "tt_lora", "cua", "quic"])
def test_of_a_linear_adapter_the_moments_are_tied_by_its_weight(name):
    model = adapted(name)
    found = activations.moments(model, activations.padded(PADDING, encoded(), 2))
    layers = activations.adapted(model)
    assert list(found) == list(layers) and FIRST in found
    for key, moments in found.items():
        weight = layers[key].get_delta_weight("default").double()
        assert weight.abs().max() > 1e-3
        # a difference of two outputs in float32, whose size is about 1
        torch.testing.assert_close(moments.dx, weight @ moments.xx, rtol=0, atol=2e-6)
        torch.testing.assert_close(moments.d, weight @ moments.x, rtol=0, atol=2e-6)


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_padding_counts_nothing_and_the_first_layer_reads_the_embedded_tokens(batch_size):
    model, rows = adapted("qwthn"), encoded()
    found = activations.moments(model, activations.padded(PADDING, rows, batch_size))
    inner = model.get_base_model().model
    with torch.no_grad():
        ids = torch.tensor([token for row in rows for token in row["input_ids"]])
        x = inner.layers[0].input_layernorm(inner.embed_tokens(ids))
        d = inner.layers[0].self_attn.q_proj.qft_delta["default"](x)
    assert found[FIRST].rows == sum(LENGTHS) and d.abs().max() > 1e-3
    expected = activations.Moments()
    expected.add(x, d)
    for each in ("xx", "x", "dx", "d", "dd"):
        got, wanted = getattr(found[FIRST], each), getattr(expected, each)
        torch.testing.assert_close(torch.as_tensor(got), torch.as_tensor(wanted), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", ["qwthn", "qaa", "lora"])
def test_rows_are_the_same_few_tokens_of_every_layer(name):
    model = adapted(name)
    batches = activations.padded(PADDING, encoded(), 2)
    every = activations.sampled_rows(model, batches, most=10**6, seed=0)
    few = activations.sampled_rows(model, batches, most=6, seed=0)
    assert few[next(iter(few))].inputs.shape[0] == 6
    kept = set()
    for key, rows in few.items():
        distances = torch.cdist(rows.inputs, every[key].inputs)
        kept.add(tuple(sorted(distances.argmin(1).tolist())))
        layer = activations.adapted(model)[key]
        if name != "lora":
            torch.testing.assert_close(rows.changes, layer.qft_delta["default"](rows.inputs), rtol=1e-5, atol=1e-7)
        assert rows.changes.shape == (6, layer.out_features)
    assert len(kept) == 1 and len(kept.pop()) == 6
    other = activations.sampled_rows(model, batches, most=6, seed=1)
    assert not torch.equal(other[key].inputs, few[key].inputs)


def test_layers_can_be_looked_at_in_groups_that_fit_into_memory():
    model = adapted("qwthn")
    layers = activations.adapted(model)
    sizes = {key: 8 * layer.in_features * (layer.in_features + layer.out_features) for key, layer in layers.items()}
    most = max(sizes.values()) + min(sizes.values())
    split = list(activations.groups(layers, most))
    assert [key for group in split for key in group] == list(layers) and len(split) > 1
    assert all(sum(sizes[key] for key in group) <= most for group in split)
    assert [len(group) for group in activations.groups(layers, 1)] == [1] * len(layers)
    batches = activations.padded(PADDING, encoded(), 2)
    some = activations.moments(model, batches, names=split[0])
    assert list(some) == split[0]
