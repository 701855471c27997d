"""Methods whose layers share parameters: against their equations, one copy, several side by side, refusals."""

import pytest
import tiny
import torch
from peft import PeftModel, get_peft_model
from safetensors.torch import load_file
from torch import nn

from qft.adapters import LoRTAConfig, LoTRConfig, MetaTTConfig, QftLayer
from qft.adapters.shared import sites_of
from qft.errors import QftError


def sites(q, v, layers, kv_name="v_proj"):
    """Of a model with these (in, out) of q and v."""
    names = [
        (f"model.layers.{i}.self_attn.{n}", shape) for i in range(layers) for n, shape in (("q_proj", q), (kv_name, v))
    ]
    return list(sites_of(dict(names)).values())


QWEN2_7B = sites((3584, 3584), (3584, 512), 28)
BASE_4M = sites((224, 224), (224, 32), 5)
ROBERTA = sites((768, 768), (768, 768), 12)
METHODS = {
    "lotr": LoTRConfig(r=3, init_seed=1),
    "metatt": MetaTTConfig(r=3, init_seed=1),
    "metatt-5": MetaTTConfig(r=3, axes=5, init_seed=1),
    "lorta": LoRTAConfig(r=3, init_seed=1),
}


@pytest.mark.parametrize(
    "config, where, expected",
    [
        (LoTRConfig(), QWEN2_7B, 45_952),
        (LoTRConfig(), BASE_4M, 2_976),
        (LoTRConfig(r=16), BASE_4M, 13_824),
        (LoTRConfig(r=2), ROBERTA, 3_168),  # published
        (LoRTAConfig(head_dim=128), QWEN2_7B, 15_096),
        (LoRTAConfig(head_dim=32), BASE_4M, 1_084),
        (LoRTAConfig(r=51, head_dim=32), BASE_4M, 13_821),
        (MetaTTConfig(), QWEN2_7B, 59_264),
        (MetaTTConfig(), BASE_4M, 4_032),
        (MetaTTConfig(), ROBERTA, 13_184),  # published: 13 k
        (MetaTTConfig(r=46, axes=5, head_dim=128), QWEN2_7B, 293_480),
        (MetaTTConfig(r=3, axes=5, head_dim=32), BASE_4M, 894),
    ],
    ids=[f"{i}" for i in range(12)],
)
def test_counts(config, where, expected):
    each = sum(config.delta_class.count(s.in_features, s.out_features, config) for s in where)
    assert each + config.shared_count(where) == expected


def moved(config, seed=5, name="default", model=None):
    """A tiny Qwen2 with the adapter, its every weight moved."""
    model = get_peft_model(tiny.build("qwen2"), config, adapter_name=name)
    shift(model, seed)
    return model.eval()


def shift(model, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in (p for p in model.parameters() if p.requires_grad):
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.5)


def logits(model):
    with torch.no_grad():
        return model(tiny.tokens()).logits


def matrices(model):
    """Delta matrices by (layer, leaf name)."""
    layers = {n: m for n, m in model.named_modules() if isinstance(m, QftLayer)}
    return {(int(n.split(".")[-3]), n.split(".")[-1]): m.qft_delta["default"].matrix()[0] for n, m in layers.items()}


def test_the_factors_are_the_equation_of_lotr():
    model = moved(METHODS["lotr"])
    frames = model.base_model.qft_shared["default"].frames
    for (layer, leaf), got in matrices(model).items():
        out = 32 if leaf == "q_proj" else 16
        module = model.base_model.model.model.layers[layer].self_attn.get_submodule(leaf)
        expected = 2.0 * frames[f"p_32_{out}"] @ module.qft_delta["default"].core @ frames[f"q_32_{out}"]
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)


def test_the_factors_are_the_equation_of_metatt():
    model = moved(METHODS["metatt"])
    shared = model.base_model.qft_shared["default"]
    full = torch.einsum("ia,lab,mbc,co->lmoi", shared.first, shared.layers, shared.kinds, shared.last)
    for (layer, leaf), got in matrices(model).items():
        expected = full[layer, 0] if leaf == "q_proj" else full[layer, 1, :16]
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)


def test_the_factors_are_the_equation_of_metatt_with_heads():
    model = moved(METHODS["metatt-5"])
    s = model.base_model.qft_shared["default"]
    full = torch.einsum("ia,lab,mbc,hcd,do->lmhoi", s.first, s.layers, s.kinds, s.heads, s.last).flatten(2, 3)
    for (layer, leaf), got in matrices(model).items():
        expected = full[layer, 0] if leaf == "q_proj" else full[layer, 1, :16]
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)


def test_the_factors_are_the_equation_of_lorta():
    model = moved(METHODS["lorta"])
    s = model.base_model.qft_shared["default"]
    for (layer, leaf), got in matrices(model).items():
        kind, heads = (0, s.heads["4"]) if leaf == "q_proj" else (1, s.heads["2"])
        blocks = [2.0 * s.up @ torch.diag(head * s.layers[layer] * s.kinds[kind]) @ s.down for head in heads]
        torch.testing.assert_close(got, torch.cat(blocks), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", METHODS)
def test_what_is_shared_is_saved_trained_and_counted_once(name, tmp_path):
    model = moved(METHODS[name])
    parameters = {n: p for n, p in model.named_parameters() if p.requires_grad}
    shared = [n for n in parameters if ".qft_shared." in n]
    assert shared and len({id(p) for p in parameters.values()}) == len(parameters)
    model.save_pretrained(tmp_path)
    saved = load_file(tmp_path / "adapter_model.safetensors")
    assert sum(t.numel() for t in saved.values()) == sum(p.numel() for p in parameters.values())
    assert sum("qft_shared" in key for key in saved) == len(shared)
    assert all("default" not in key for key in saved)
    for lazily in (False, True):
        loaded = PeftModel.from_pretrained(tiny.build("qwen2"), tmp_path, adapter_name="x", low_cpu_mem_usage=lazily)
        assert torch.equal(logits(loaded.eval()), logits(model))
        assert not any(p.requires_grad for p in loaded.parameters())


def trained(model):
    return {n for n, p in model.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("name", ["lotr", "lorta"])
def test_several_stand_side_by_side_and_one_is_deleted(name):
    config = METHODS[name]
    model = moved(config)
    first, both = logits(model), trained(model)
    model.add_adapter("second", type(config)(r=2, init_seed=2))
    assert trained(model) == both
    model.set_adapter("second")
    assert trained(model) and all(".second." in n for n in trained(model))
    assert torch.equal(logits(model.eval()), logits(tiny.build("qwen2")))
    shift(model, 6)
    second = logits(model.eval())
    assert not torch.equal(second, first)
    model.set_adapter("default", inference_mode=True)
    assert not trained(model) and torch.equal(logits(model.eval()), first)
    model.set_adapter("default")
    assert trained(model) == both
    batch = tiny.tokens(rows=3)
    with torch.no_grad():
        mixed = model(batch, adapter_names=["second", "__base__", "default"]).logits
        alone = model(batch).logits
    torch.testing.assert_close(mixed[2], alone[2], rtol=0, atol=1e-5)
    with pytest.warns(UserWarning, match="Setting active adapter to second"):
        model.delete_adapter("default")
    assert all(".second." in n for n in trained(model)) and len(trained(model)) == len(both)
    assert list(model.base_model.qft_shared) == ["second"]
    assert not any(".default." in key for key in model.state_dict())
    model.set_adapter("second")
    torch.testing.assert_close(logits(model.eval()), second, rtol=0, atol=0)
    merged = model.merge_and_unload()
    assert not any("qft_" in n for n, _ in merged.named_parameters())
    torch.testing.assert_close(logits(merged), second, rtol=0, atol=1e-5)


def test_weights_put_in_for_one_call_are_seen_by_all_layers():
    model = moved(METHODS["lorta"])
    before = logits(model)
    name = next(n for n, _ in model.named_parameters() if n.endswith("qft_shared.default.up"))
    values = {name: torch.zeros_like(model.get_parameter(name))}
    with torch.no_grad():
        other = torch.func.functional_call(model, values, (tiny.tokens(),)).logits
    assert torch.equal(other, logits(tiny.build("qwen2"))) and torch.equal(logits(model), before)


def test_sites_count_layers_and_kinds_in_the_models_order():
    names = ["h.3.attn.q", "h.3.attn.v", "h.7.attn.q", "h.7.attn.v", "head"]
    found = sites_of({name: (4, 2) for name in names})
    assert [(s.number, s.layer, s.kind) for s in found.values()] == [
        (0, 0, 0),
        (1, 0, 1),
        (2, 1, 0),
        (3, 1, 1),
        (4, 2, 2),
    ]


@pytest.mark.parametrize(
    "config, message",
    [
        (lambda: LoTRConfig(r=17), "lotr: r=17 is above what a layer of 32 x 16 has; at most 16"),
        (lambda: LoRTAConfig(head_dim=12), "lorta: 32 outputs are no whole number of heads of 12; the nearest is 36"),
        (
            lambda: MetaTTConfig(axes=5, head_dim=9),
            "16 outputs are no whole|32 outputs are no whole .* 9; the nearest is 36",
        ),
        (lambda: MetaTTConfig(axes=3), "axes=3.*at least 4"),
        (lambda: LoTRConfig(start="scald"), "start=scald does not exist.*scaled"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(config, message):
    base = tiny.build("qwen2")
    with pytest.raises(QftError, match=message):
        get_peft_model(base, config())
    assert not hasattr(base, "peft_config")


def test_a_model_that_names_no_heads_needs_their_size():
    model = nn.Sequential(nn.Linear(8, 8))
    with pytest.raises(QftError, match="lorta: the model's config names no heads; set head_dim"):
        get_peft_model(model, LoRTAConfig(target_modules=["0"]))
    get_peft_model(model, LoRTAConfig(target_modules=["0"], head_dim=4))
