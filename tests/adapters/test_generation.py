"""Generation with few kernels: equal logits within rounding, weights as they were, and every unusual case as usual."""

import contextlib

import pytest
import tiny
import torch
from peft import LoraConfig, get_peft_model

from qft.adapters import METHODS, QftLayer
from qft.adapters.generation import generating


def adapted(method, dtype=torch.float32, base=None, **options):
    """On the query and value projections of a tiny Qwen2, every weight moved."""
    model = get_peft_model(base or tiny.build("qwen2", dtype), METHODS[method](init_seed=0, **options)).eval()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in (p for p in model.parameters() if p.requires_grad):
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return model


def fused(model):
    """Layers that took the fast way in the last call."""
    ways = [
        layer.forward.__self__ for layer in model.modules() if isinstance(layer, QftLayer) and "forward" in vars(layer)
    ]
    return sum(way.stacked is not None for way in ways)


@torch.inference_mode()
def logits(model, rows=2):
    return model(input_ids=tiny.tokens(rows)).logits


def close(expected):
    return {"rtol": 0, "atol": 1e-5 * expected.abs().max().item()}  # the same products in another order, float32


FAST = {
    "qwthn": {},
    "qtha": {},
    "qtha, first upload only": {"encode": "once"},
    "qwthn, without its circuit": {"circuit": "none"},
    "qwthn, shuffled": {"shuffle": True},
    "qwthn, six qubits": {"r": 6},
    "quanta": {},
    "sora": {},
    "lorta": {},
    "tt_lora": {},
}


@pytest.mark.parametrize("case", FAST)
def test_logits_are_equal_within_rounding_and_weights_come_back(case):
    model = adapted(case.partition(",")[0], **FAST[case])
    weights = {name: p.detach().clone() for name, p in model.named_parameters()}
    for rows in (1, 40):  # few tokens and many
        expected = logits(model, rows)
        with generating(model):
            torch.testing.assert_close(logits(model, rows), expected, **close(expected))
            assert fused(model) == 4
        assert torch.equal(logits(model, rows), expected)
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, weights[name]) and parameter.untyped_storage().nbytes() == parameter.nbytes


def test_memory_grows_by_the_rows_of_the_first_factor():
    model = adapted("qwthn")
    layer = next(m for m in model.modules() if isinstance(m, QftLayer))
    before = layer.base_layer.weight.untyped_storage().nbytes()
    with generating(model):
        logits(model)
        weight = layer.base_layer.weight
        assert weight.untyped_storage().nbytes() == before + 4 * 4 * layer.in_features


def test_generated_answers_are_the_same():
    model = adapted("qtha")
    options = {"max_new_tokens": 8, "do_sample": False, "attention_mask": torch.ones_like(tiny.tokens())}
    expected = model.generate(input_ids=tiny.tokens(), **options)
    with generating(model):
        assert torch.equal(model.generate(input_ids=tiny.tokens(), **options), expected)
        assert fused(model) == 4


@pytest.mark.parametrize("method", ["cua", "qaa"])
def test_methods_without_such_a_form_stay_as_they_are(method):
    model = adapted(method)
    expected = logits(model)
    with generating(model):
        assert torch.equal(logits(model), expected) and fused(model) == 0


def test_half_precision_and_tied_weights_stay_as_they_are():
    base = tiny.build("qwen2")
    first, second = (layer.self_attn.q_proj for layer in base.model.layers)
    second.weight = first.weight
    model = adapted("qwthn", base=base)
    expected = logits(model)
    with generating(model):
        torch.testing.assert_close(logits(model), expected, **close(expected))
        assert fused(model) == 2  # the two value projections
    assert second.weight is first.weight
    half = adapted("qwthn", torch.bfloat16)
    expected = logits(half)
    with generating(half):
        assert torch.equal(logits(half), expected) and fused(half) == 0


def test_unusual_calls_take_the_usual_way():
    model = adapted("qwthn")
    base = logits(tiny.build("qwen2"))
    expected = logits(model)
    with generating(model):
        logits(model)
        with model.disable_adapter():
            assert torch.equal(logits(model), base)
        model(input_ids=tiny.tokens(), labels=tiny.tokens()).loss.backward()  # gradients
        assert all(p.grad is not None for p in model.parameters() if p.requires_grad)
        assert torch.equal(logits(model), expected) and fused(model) == 0  # an optimizer may have moved the weights
        model.eval()
        torch.testing.assert_close(logits(model), expected, **close(expected))
        assert fused(model) == 4
        with torch.inference_mode():
            mixed = model(input_ids=tiny.tokens(), adapter_names=["default", "__base__"]).logits
        torch.testing.assert_close(mixed, torch.stack([expected[0], base[1]]), **close(expected))


def test_other_weights_and_other_adapters_are_seen():
    model, other = adapted("qwthn"), adapted("qwthn", r=2)
    model.add_adapter("other", METHODS["qwthn"](init_seed=0, r=2))
    model.eval()
    with generating(model):
        logits(model)
        with torch.no_grad():
            for mine, theirs in zip(
                (p for n, p in model.named_parameters() if ".other." in n),
                (p for n, p in other.named_parameters() if p.requires_grad),
                strict=True,
            ):
                mine.copy_(theirs)
        model.set_adapter("other")
        torch.testing.assert_close(logits(model), logits(other), **close(logits(other)))
        assert fused(model) == 4
        model.base_model.set_adapter(["default", "other"])
        both = logits(model)
        assert fused(model) == 0
    assert torch.equal(logits(model), both)


def test_an_error_within_it_leaves_the_weights_as_they_were():
    model = adapted("sora")
    expected = logits(model)
    with contextlib.suppress(KeyboardInterrupt), generating(model):
        logits(model)
        raise KeyboardInterrupt
    assert torch.equal(logits(model), expected)
    model(input_ids=tiny.tokens(), labels=tiny.tokens()).loss.backward()  # nothing of inference mode is left in them


def test_a_model_without_our_adapters_is_left_alone():
    model = get_peft_model(tiny.build("qwen2"), LoraConfig(target_modules=["q_proj"])).eval()
    expected = logits(model)
    with generating(model), generating(tiny.build("qwen2")):
        assert torch.equal(logits(model), expected)


def test_circuits_are_counted_as_usual():
    counts = []
    for context in (contextlib.nullcontext, generating):
        model = adapted("qwthn")
        with context(model) if context is generating else context():
            for rows in (1, 40):
                logits(model, rows)
        layers = [m for m in model.modules() if isinstance(m, QftLayer)]
        counts.append([layer.qft_delta["default"].backend.evaluations for layer in layers])
    assert counts[0] == counts[1]
