"""QPA: published counts, its controls, and the generated numbers written out layer by layer."""

import pytest
import tiny
import torch
from peft import PeftModel, get_peft_model
from torch import nn

from qft.adapters import QftLayer, QPAConfig
from qft.adapters.shared import sites_of
from qft.errors import QftError
from qft.tensor.ry_cnot import probabilities

HEAD = {"lm_head": (768, 50_257)}  # of GPT-2


def qwen(q, v, layers):
    """Sites of q_proj and v_proj with these (in, out)."""
    names = {f"layers.{i}.{n}": shape for i in range(layers) for n, shape in (("q_proj", q), ("v_proj", v))}
    return list(sites_of(names).values())


GPT2 = list(sites_of(HEAD).values())
QWEN2_7B = qwen((3584, 3584), (3584, 512), 28)
BASE_4M = qwen((224, 224), (224, 32), 5)
SMALL = qwen((12, 12), (12, 5), 2)
OPTIONS = {
    "mlp": {},
    "silu": {"activation": "silu"},
    "collapsed": {"generator": "collapsed"},
    "low_rank": {"generator": "low_rank"},
    "trained": {"probabilities": "trained"},
}


@pytest.mark.parametrize(
    "options, where, expected",
    [
        ({}, GPT2, 106_264),  # published, as the authors' log has it
        ({}, QWEN2_7B, 106_384),
        ({}, BASE_4M, 106_104),
        ({"chunk": 7917}, QWEN2_7B, 299_981),
        ({"generator": "collapsed"}, GPT2, 18_488),
        ({"generator": "collapsed", "chunk": 256}, BASE_4M, 2_096),
        ({"generator": "collapsed", "chunk": 93}, BASE_4M, 994),
        ({"generator": "collapsed", "chunk": 565}, BASE_4M, 3_995),
        ({"generator": "collapsed", "chunk": 2811}, BASE_4M, 14_079),
        ({"generator": "collapsed", "chunk": 37_494}, QWEN2_7B, 300_000),
        ({"generator": "low_rank"}, GPT2, 105_252),
        ({"generator": "low_rank"}, QWEN2_7B, 103_896),
        ({"generator": "low_rank", "k": 2}, BASE_4M, 4_110),
        ({"probabilities": "trained"}, GPT2, 106_264 - 56 + 128),
    ],
)
def test_counts(options, where, expected):
    config = QPAConfig(**options)
    with torch.device("meta"):
        shared = config.build_shared(where, None)
    assert config.shared_count(where) == sum(p.numel() for p in shared.parameters()) == expected
    assert all(config.delta_class.count(s.in_features, s.out_features, config) == 0 for s in where)


@pytest.mark.parametrize("where, k", [(GPT2, 49), (QWEN2_7B, 39)])
def test_the_low_rank_control_has_the_largest_rank_of_no_more_parameters(where, k):
    shared = QPAConfig(generator="low_rank").build_shared(where, torch.Generator())
    assert shared.rows.shape[1] == k


def generated(shared, where):
    """All generated numbers, layer by layer: as they are, and as they were where that is kept."""
    return torch.cat([shared.numbers(site) for site in where], 1).detach()


def moved(options, where=SMALL, **more):
    """A generator with every weight moved, in float64."""
    config = QPAConfig(chunk=24, **options, **more)
    shared = config.build_shared(where, torch.Generator().manual_seed(3)).double()
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in shared.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.1)
    return config, shared


@pytest.mark.parametrize("start", ["zero", "published"])
@pytest.mark.parametrize("name", OPTIONS)
def test_the_numbers_are_the_equation_written_out(name, start):
    """All rows at once, with torch's own linear layers, the mean of all of them taken off."""
    config, shared = moved(OPTIONS[name], start=start)
    plan = config.plan(SMALL)
    assert (plan.rows, plan.qubits) == (14, 4)
    if name == "low_rank":
        table = shared.rows @ shared.columns
    else:
        p = shared.logits.softmax(0) if name == "trained" else probabilities(shared.angles)
        p = p[: plan.rows].clamp(min=1e-6) if start == "zero" else p[: plan.rows]
        phi = (0.6 * (0.1 * 2**3 * p).tanh()) ** 0.15
        bits = [[1.0 if bit == "0" else -1.0 for bit in f"{row:04b}"] for row in range(plan.rows)]
        table = torch.cat([torch.tensor(bits, dtype=torch.float64), (phi - phi.mean())[:, None]], 1)
        for i in range(shared.maps):
            table = nn.functional.linear(table, shared.get_parameter(f"weight_{i}").T)
            table = table + shared.get_parameter(f"bias_{i}")
            table = nn.functional.silu(table) if name == "silu" and i < 7 else table
        assert shared.maps == (1 if name == "collapsed" else 8)
    expected = (table - table.mean()).flatten()
    got = generated(shared, SMALL)
    assert len(got) == (2 if start == "zero" else 1)
    torch.testing.assert_close(got[0], expected[: got.shape[1]].detach(), rtol=0, atol=1e-13)


@pytest.mark.parametrize("start", ["zero", "published"])
def test_a_layers_factors_are_its_numbers(start):
    config, shared = moved({}, start=start)
    numbers, before = generated(shared, SMALL), 0
    for site in SMALL:
        delta = config.delta_class(site.in_features, site.out_features, config, None)
        delta.attach(shared, site)
        size_a, size_b = 4 * site.in_features, 4 * site.out_features
        a, b = numbers[:, before : before + size_a], numbers[:, before + size_a : before + size_a + size_b]
        b = b[0] - b[1] if start == "zero" else b[0]
        expected = 2.0 * b.view(-1, 4) @ a[0].view(4, -1)
        torch.testing.assert_close(delta.matrix()[0].detach(), expected, rtol=0, atol=1e-13)
        before += size_a + size_b
    assert before == numbers.shape[1]


def test_the_collapsed_map_starts_as_the_same_function_and_the_map_has_rank_n_plus_2():
    build = {n: QPAConfig(generator=n).build_shared(BASE_4M, torch.Generator().manual_seed(1)) for n in CLASSES}
    mlp, collapsed = (generated(build[n], BASE_4M)[0] for n in CLASSES)
    torch.testing.assert_close(mlp, collapsed, rtol=0, atol=1e-6)
    _, shared = moved({}, where=BASE_4M)
    numbers = generated(shared, BASE_4M)[0]
    values = torch.linalg.svdvals(numbers[: numbers.shape[0] // 24 * 24].view(-1, 24))
    assert shared.plan.qubits + 2 == 12 and (values > 1e-12 * values[0]).sum() == 12


CLASSES = ("mlp", "collapsed")


@pytest.mark.parametrize("name", OPTIONS)
def test_every_generator_starts_at_zero_with_gradients_everywhere(name):
    model = get_peft_model(tiny.build("qwen2"), QPAConfig(init_seed=1, **OPTIONS[name]))
    with torch.no_grad():
        assert torch.equal(model.eval()(tiny.tokens()).logits, tiny.build("qwen2")(tiny.tokens()).logits)
    (model(tiny.tokens()).logits ** 2).mean().backward()
    for parameter_name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad.isfinite().all() and parameter.grad.abs().max() > 0, parameter_name


@pytest.mark.parametrize("name", OPTIONS)
def test_every_generator_is_saved_with_its_start(name, tmp_path):
    model = get_peft_model(tiny.build("qwen2"), QPAConfig(**OPTIONS[name])).eval()
    with torch.no_grad():
        for parameter in (p for p in model.parameters() if p.requires_grad):
            parameter.mul_(1.1)
        expected = model(tiny.tokens()).logits
    model.save_pretrained(tmp_path)
    for lazily in (False, True):
        loaded = PeftModel.from_pretrained(tiny.build("qwen2"), tmp_path, low_cpu_mem_usage=lazily).eval()
        with torch.no_grad():
            assert torch.equal(loaded(tiny.tokens()).logits, expected)


def test_the_published_start_is_not_the_base():
    model = get_peft_model(tiny.build("qwen2"), QPAConfig(init_seed=1, start="published")).eval()
    with torch.no_grad():
        difference = model(tiny.tokens()).logits - tiny.build("qwen2")(tiny.tokens()).logits
    assert difference.abs().max() > 0.1
    assert not list(model.base_model.qft_shared["default"].buffers())


def test_the_notes_name_the_circuit():
    shapes = [(site.in_features, site.out_features) for site in BASE_4M]
    expected = "7 rows of 2048 generated numbers, 3 qubits, 24 RY and 16 CNOT, once a training step"
    assert QPAConfig().notes(shapes) == [expected]
    assert QPAConfig(generator="low_rank", k=2).notes(shapes) == ["7 rows of 2048 generated numbers, F G of rank 2"]
    assert QPAConfig(probabilities="trained").notes(shapes)[0].endswith("8 trained probabilities")


def test_a_chunk_left_open_gives_four_rows_at_least():
    assert QPAConfig().plan(QWEN2_7B).chunk == 2048
    plan = QPAConfig().plan(SMALL)
    assert (plan.rows, plan.chunk) == (4, 82)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"chunk": 896}, "chunk=896 holds all 896 numbers of these layers in one row.*; at most 895"),
        ({"r": 17, "chunk": 8}, "qpa: r=17 is above what a layer of 32 x 16 has; at most 16"),
        ({"generator": "colapsed"}, "generator=colapsed does not exist.*collapsed"),
        ({"start": "mended"}, "start=mended does not exist"),
        ({"k": 3}, "k=3 is the rank of generator=low_rank; generator=mlp has none"),
        ({"generator": "collapsed", "activation": "silu"}, "activation=silu stands between the maps of generator=mlp"),
        ({"generator": "low_rank", "probabilities": "trained"}, "generator=low_rank has none"),
        ({"depth": 0}, "depth=0.*at least 1"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(options, message):
    base = tiny.build("qwen2")
    with pytest.raises(QftError, match=message):
        get_peft_model(base, QPAConfig(**options))
    assert not any(isinstance(module, QftLayer) for module in base.modules())
