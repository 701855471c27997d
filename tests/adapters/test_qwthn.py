"""QWTHN against its equations written out, its counts, its choice of sizes and what it refuses."""

import numpy as np
import pytest
import tiny
import torch
from peft import LoraConfig, get_peft_model
from plain import check_forward, check_gradients
from sizes import QWEN2_7B, on_meta, ratio, shapes_of
from torch.nn.functional import linear

from qft.adapters import QWTHNConfig
from qft.adapters.qwthn import QWTHNDelta
from qft.errors import QftError

# (in, out, options): plain, padded input and output, padded width, no circuit, more blocks, other r and alpha
SHAPES = {
    "plain": (24, 16, {}),
    "padded": (97, 53, {}),
    "padded-width": (24, 16, {"width": 29}),
    "no-circuit": (24, 16, {"circuit": "none"}),
    "two-blocks": (24, 16, {"blocks": 2, "r": 3, "alpha": 5.0}),
    "one-qubit": (24, 16, {"r": 1}),
    "two-cores": (24, 16, {"cores": 2}),
    "one-core": (24, 16, {"cores": 1}),
}


def build(case):
    """A perturbed delta in float64 with angles over the whole circle, and its config."""
    n_in, n_out, options = SHAPES[case]
    config = QWTHNConfig(**({"width": 12, "bond_dim": 3} | options))
    generator = torch.Generator().manual_seed(2)
    delta = QWTHNDelta(n_in, n_out, config, generator).double()
    with torch.no_grad():
        for parameter in delta.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return delta, config


def fusion(delta, config):
    """o = <Z> * z + z."""
    return lambda z, circuit_value: circuit_value(z) * z + z if config.circuit == "qnn" else z


@pytest.mark.parametrize("case", SHAPES)
def test_the_forward_equals_the_equations(case):
    delta, config = build(case)
    check_forward(delta, config, fusion(delta, config))


@pytest.mark.parametrize("case", SHAPES)
def test_the_gradients_equal_those_of_the_equations(case):
    delta, config = build(case)
    check_gradients(delta, config, fusion(delta, config))


def test_without_a_circuit_it_is_its_matrix():
    delta, _ = build("no-circuit")
    x = torch.randn(5, 24, dtype=torch.float64)
    weight, bias = delta.matrix()
    assert delta.linear and not build("plain")[0].linear
    torch.testing.assert_close(delta(x), linear(x, weight, bias), rtol=0, atol=1e-12)


@pytest.mark.parametrize("case", SHAPES)
def test_the_count(case):
    delta, config = build(case)
    assert sum(p.numel() for p in delta.parameters()) == delta.count(delta.in_features, delta.out_features, config)


def test_the_start():
    delta = QWTHNDelta(24, 16, QWTHNConfig(width=16, bond_dim=2), None)
    assert torch.equal(delta(torch.randn(3, 24)), torch.zeros(3, 16))
    # only the last core is zero; 200 modules fill (-pi, pi): 1600 uniform angles leave gaps of about 0.1 % at the ends
    assert [n for n, p in delta.named_parameters() if not p.any()] == ["mpo_b.2"]
    angles = torch.cat([QWTHNDelta(8, 8, QWTHNConfig(width=8, bond_dim=1), None).angles for _ in range(200)])
    assert angles.numel() == 1600 and (angles != 0).all()
    assert -np.pi <= angles.min() < -3.1 and 3.1 < angles.max() <= np.pi


def test_the_circuits_are_counted():
    delta = QWTHNDelta(24, 16, QWTHNConfig(width=16, bond_dim=2), None)
    delta(torch.randn(2, 5, 24))
    delta(torch.randn(3, 24))
    assert delta.backend.evaluations == 13


IGNORED = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.* is deprecated:FutureWarning")


@IGNORED
@pytest.mark.parametrize(
    "config, count",
    [
        (lambda: QWTHNConfig(), 299_264),
        (lambda: LoraConfig(r=4, target_modules=["q_proj", "v_proj"]), 1_261_568),
        (lambda: LoraConfig(r=1, target_modules=["q_proj", "v_proj"]), 315_392),
    ],
)
def test_counts_on_qwen2_7b(config, count):
    model = on_meta(config(), **QWEN2_7B)
    assert model.get_nb_trainable_parameters()[0] == count
    assert {p.device.type for p in model.parameters()} == {"meta"}


def test_sizes_on_qwen2_7b_are_the_published_ones():
    config = QWTHNConfig()
    shapes = shapes_of(3584, 512, 28)
    config.resolve(shapes)
    assert (config.width, config.bond_dim) == (128, 5)
    assert ratio(config, shapes) == 299_264 / 1_261_568  # 23.72 %
    assert config.notes(shapes) == ["128 = 8 x 4 x 4", "512 = 8 x 8 x 8", "3584 = 16 x 14 x 16"]


@pytest.mark.parametrize("hidden, kv", [(224, 64), (224, 224), (128, 128), (128, 64), (896, 128), (2048, 2048)])
def test_sizes_on_smaller_models_stay_below_0_30_of_lora(hidden, kv):
    config = QWTHNConfig()
    config.resolve(shapes_of(hidden, kv))
    assert ratio(config, shapes_of(hidden, kv)) <= 0.30
    # the published sizes would not: on a narrow model they cost more than LoRA itself
    if hidden <= 224:
        assert ratio(QWTHNConfig(width=128, bond_dim=5), shapes_of(hidden, kv)) > 1


@pytest.mark.parametrize("given", [{"width": 20}, {"bond_dim": 1}, {"width": 20, "bond_dim": 7}])
def test_sizes_that_were_given_are_kept(given):
    config = QWTHNConfig(**given)
    config.resolve(shapes_of(224, 64))
    assert all(getattr(config, name) == value for name, value in given.items())
    assert config.width is not None and config.bond_dim is not None


@IGNORED
def test_the_chosen_sizes_are_saved(tmp_path):
    model = get_peft_model(tiny.build("qwen2"), QWTHNConfig())
    model.save_pretrained(tmp_path)
    saved, used = QWTHNConfig.from_pretrained(tmp_path), model.peft_config["default"]
    assert (saved.width, saved.bond_dim, saved.target_modules) == (used.width, used.bond_dim, ["q_proj", "v_proj"])
    assert used.width is not None


@pytest.mark.parametrize(
    "options, message",
    [
        ({"r": 0}, "r=0 must be a whole number, at least 1"),
        ({"r": -2}, "r=-2"),
        ({"r": 11}, "r=11 qubits; circuit=qnn takes at most 10"),
        ({"alpha": -1.0}, "alpha=-1.0 must be a finite number, above 0"),
        ({"alpha": 0.0}, "alpha=0.0 must be a finite number, above 0"),
        ({"width": 0}, "width=0 must be a whole number, at least 1"),
        ({"bond_dim": 0}, "bond_dim=0"),
        ({"cores": 0}, "cores=0"),
        ({"blocks": 0}, "blocks=0"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(QftError, match=message):
        QWTHNConfig(**options)


def test_a_wide_bottleneck_is_fine_without_a_circuit():
    assert QWTHNConfig(r=11, circuit="none").scale == 2


REFUSALS = {
    "nothing-matches": (
        {"target_modules": ["vproj"]},
        "matches no layer. Did you mean 'v_proj'. Choices: down_proj, gate_proj, k_proj, lm_head, o_proj, q_proj, up",
    ),
    "nothing-matches-regex": ({"target_modules": ".*attention"}, "matches no layer"),
    "all-excluded": ({"exclude_modules": ["q_proj", "v_proj"]}, "matches no layer"),
    "no-linear": ({"target_modules": ["q_proj", "norm"]}, "selects model.norm, a Qwen2RMSNorm"),
    "prime": ({"target_modules": ["lm_head"], "pad": False}, "97 does not split into 3 .* set pad=true"),
    "prime-width": ({"width": 97, "bond_dim": 2, "pad": False}, "97 does not split into 3"),
}


@IGNORED
@pytest.mark.parametrize("case", REFUSALS)
@pytest.mark.parametrize("second", [False, True], ids=["first", "beside-another"])
def test_a_refusal_leaves_the_model_as_it_was(case, second):
    options, message = REFUSALS[case]
    base = tiny.build("qwen2")
    model = get_peft_model(base, QWTHNConfig()) if second else base
    modules = {n: type(m) for n, m in base.named_modules()}
    state = {n: (p.clone(), p.requires_grad) for n, p in base.named_parameters()}
    attributes = set(vars(base))
    with pytest.raises(QftError, match=message):
        if second:
            model.add_adapter("second", QWTHNConfig(**options))
        else:
            get_peft_model(base, QWTHNConfig(**options))
    assert {n: type(m) for n, m in base.named_modules()} == modules
    assert set(vars(base)) == attributes
    for name, parameter in base.named_parameters():
        assert torch.equal(parameter, state[name][0]) and parameter.requires_grad == state[name][1]
    if second:
        assert list(model.peft_config) == ["default"]


@IGNORED
def test_a_model_without_query_and_value_projections_says_what_it_has():
    model = torch.nn.Sequential(torch.nn.Linear(4, 4))
    with pytest.raises(QftError, match=r"No query and value projections found; set target_modules.*Choices: 0"):
        get_peft_model(model, QWTHNConfig())
    assert type(model[0]) is torch.nn.Linear


@IGNORED
def test_a_prime_size_is_padded_by_default():
    model = get_peft_model(tiny.build("qwen2"), QWTHNConfig(target_modules=["lm_head"]))
    assert model(tiny.tokens()).logits.shape == (2, 7, 97)


def test_biases_from_zero_change_nothing_else():
    made = {
        start: QWTHNDelta(
            24, 16, QWTHNConfig(width=12, bond_dim=3, bias_start=start), torch.Generator().manual_seed(2)
        ).state_dict()
        for start in ("random", "zero")
    }
    differ = {name for name, value in made["random"].items() if not torch.equal(value, made["zero"][name])}
    assert differ == {"mlp_a.bias", "mlp_b.bias"} and not any(made["zero"][name].any() for name in differ)
    with pytest.raises(QftError, match="bias_start=none"):
        QWTHNConfig(bias_start="none")
