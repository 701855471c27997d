"""BitFit trains the biases that a model has, as training them directly would, and says so where there are none."""

import copy

import pytest
import tiny
import torch
from deltas import BASE_4M, total
from peft import get_peft_model
from torch import nn

from qft.adapters import BitFitConfig, QftLayer
from qft.adapters.bitfit import has_bias

pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.* is deprecated:FutureWarning")


def names(model):
    return {n.removeprefix("base_model.model.") for n, m in model.named_modules() if isinstance(m, QftLayer)}


@pytest.mark.parametrize("family", ["qwen2", "gpt_neo", "gpt2"])
def test_all_biases_of_the_model_are_trained_and_nothing_else(family):
    base = tiny.build(family)
    biases = {n: p for n, p in base.named_parameters() if n.endswith(".bias")}
    assert biases
    model = get_peft_model(base, BitFitConfig())
    assert names(model) == {n.removesuffix(".bias") for n in biases}
    assert model.get_nb_trainable_parameters()[0] == sum(p.numel() for p in biases.values())
    assert model.peft_config["default"].notes([]) == []


@pytest.mark.parametrize("family", ["qwen2", "gpt_neo"])
def test_its_steps_are_those_of_the_biases_themselves(family):
    """Three steps of AdamW on the biases of a plain model, and on the adapter."""
    plain, model = tiny.build(family).requires_grad_(False), get_peft_model(tiny.build(family), BitFitConfig())
    direct = [p.requires_grad_() for n, p in plain.named_parameters() if n.endswith(".bias")]
    changes = [p for p in model.parameters() if p.requires_grad]
    assert len(direct) == len(changes)
    for trained, parameters in ((plain, direct), (model, changes)):
        optimizer = torch.optim.AdamW(parameters, lr=0.01, weight_decay=0)
        for _ in range(3):
            optimizer.zero_grad()
            out = trained(tiny.tokens(), labels=tiny.tokens())
            out.loss.backward()
            optimizer.step()
    with torch.no_grad():
        # sums of float32 in another order; each step moves a bias by about 0.01
        torch.testing.assert_close(model(tiny.tokens()).logits, plain(tiny.tokens()).logits, rtol=0, atol=2e-4)


def test_norms_merge_to_their_own_bias():
    base = tiny.build("gpt_neo")
    before = copy.deepcopy(base.state_dict())
    model = get_peft_model(base, BitFitConfig())
    with torch.no_grad():
        for p in model.parameters():
            if p.requires_grad:
                p.normal_()
    expected = model(tiny.tokens()).logits
    merged = model.merge_and_unload()
    for key, value in merged.state_dict().items():
        assert torch.equal(value, before[key]) != key.endswith(".bias"), key
    torch.testing.assert_close(merged(tiny.tokens()).logits, expected, rtol=0, atol=1e-4 * expected.abs().max().item())


def test_a_model_without_biases_is_given_some_and_says_so():
    base = tiny.build("llama")
    linears = {n for n, m in base.named_modules() if isinstance(m, nn.Linear) and n != "lm_head"}
    model = get_peft_model(base, BitFitConfig())
    assert names(model) == linears
    (note,) = model.peft_config["default"].notes([])
    assert note == "no layer of this model has a bias: each linear layer but the head is given one"
    with pytest.raises(ValueError, match="adds a constant, and this Linear has no bias for it"):
        model.merge_and_unload()


def test_counts():
    assert total(BitFitConfig(), BASE_4M) == 5 * (224 + 32)
    assert has_bias(nn.Linear(2, 3)) and not has_bias(nn.Linear(2, 3, bias=False))
