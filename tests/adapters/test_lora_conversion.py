"""PEFT's own conversion to LoRA takes what is linear and has no bias: exact where the rank is known."""

import pytest
import tiny
import torch
from peft import LoraConfig, get_peft_model, set_peft_model_state_dict
from peft.tuners.lora.conversion import convert_to_lora

from qft.adapters import METHODS, QftLayer

LOW_RANK = {
    "frozen_frames": ({"r": 3}, 3),
    "loretta": ({"r": 8, "bond_dim": 3}, 3),
    "lorta": ({"r": 3}, 3),
    "lotr": ({"r": 3}, 3),
    "metatt": ({"r": 3}, 3),
    "quantum_peft": ({"rank": 3}, 3),
    "sora": ({"r": 3}, 3),
    "tt_lora": ({"r": 3}, 3),
}

pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.* is deprecated:FutureWarning")


def adapted(name, family="qwen2", **options):
    model = get_peft_model(tiny.build(family), METHODS[name](**options)).eval()
    with torch.no_grad():
        for p in model.parameters():
            if p.requires_grad:
                p.add_(torch.randn(p.shape, generator=torch.Generator().manual_seed(5)) * 0.1)
    return model


@torch.no_grad()
def logits(model):
    return model(tiny.tokens()).logits


@pytest.mark.parametrize("name", LOW_RANK)
def test_a_low_rank_is_converted_exactly(name):
    options, rank = LOW_RANK[name]
    model = adapted(name, **options)
    config, state = convert_to_lora(model, rank)
    assert isinstance(config, LoraConfig) and config.r == rank
    lora = get_peft_model(tiny.build("qwen2"), config).eval()
    set_peft_model_state_dict(lora, state)
    expected = logits(model)
    assert (expected - logits(tiny.build("qwen2"))).abs().max() > 1e-3
    # the singular values of float32 weights, to their rounding
    torch.testing.assert_close(logits(lora), expected, rtol=0, atol=2e-5 * expected.abs().max().item())


@pytest.mark.parametrize("name", ["cua", "quic", "butterfly", "quanta", "tt_lora"])
@pytest.mark.parametrize("family", ["qwen2", "gpt2"])
def test_the_change_of_a_weight_is_what_a_merge_adds(name, family):
    model = adapted(name, family)
    layers = {n: m for n, m in model.named_modules() if isinstance(m, QftLayer)}
    expected = {n: m.get_base_layer().weight + m.get_delta_weight("default") for n, m in layers.items()}
    assert all(layer.supports_lora_conversion() for layer in layers.values())
    model.merge_adapter()
    for name, layer in layers.items():
        torch.testing.assert_close(layer.get_base_layer().weight, expected[name], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["apc", "bitfit", "loretta_adp", "qaa", "qtha", "qwthn"])
def test_what_is_no_change_of_a_weight_is_refused(name):
    model = adapted(name)
    with pytest.raises(TypeError, match="do not support LoRA conversion"):
        convert_to_lora(model, 2)
    layer = next(m for m in model.modules() if isinstance(m, QftLayer))
    assert not layer.supports_lora_conversion("other")
