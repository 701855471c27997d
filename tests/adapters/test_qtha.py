"""QTHA against its equations written out, its counts, its choice of sizes, its start and what it refuses."""

import numpy as np
import pytest
import tiny
import torch
from peft import get_peft_model
from plain import check_forward, check_gradients
from sizes import QWEN2_7B, on_meta, ratio, shapes_of
from torch.nn.functional import linear

from qft.adapters import QTHAConfig
from qft.adapters.qtha import QTHADelta
from qft.errors import QftError
from qft.tensor import mpo

IGNORED = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.* is deprecated:FutureWarning")

# (in, out, options): plain, padded, other depths, orders and encodings, other r and alpha
SHAPES = {
    "plain": (24, 16, {"layers": 2}),
    "padded": (97, 53, {"layers": 1}),
    "padded-width": (24, 16, {"width": 29, "layers": 1}),
    "once": (24, 16, {"encode": "once", "layers": 2}),
    "ry-first": (24, 16, {"order": "ry_first", "layers": 2}),
    "three-qubits": (24, 16, {"r": 3, "alpha": 5.0}),
    "one-qubit": (24, 16, {"r": 1, "layers": 2}),
    "two-cores": (24, 16, {"cores": 2, "layers": 1}),
}


def build(case):
    """A perturbed delta in float64 with angles over the whole circle, and its config."""
    n_in, n_out, options = SHAPES[case]
    config = QTHAConfig(**({"width": 16, "bond_dim": 3} | options))
    generator = torch.Generator().manual_seed(2)
    delta = QTHADelta(n_in, n_out, config, generator).double()
    with torch.no_grad():
        for parameter in delta.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return delta, config


def fusion(delta, config):
    """o = W_q <Z> + W_c z."""
    return lambda z, circuit_value: linear(circuit_value(z), delta.w_q) + linear(z, delta.w_c)


@pytest.mark.parametrize("case", SHAPES)
def test_the_forward_equals_the_equations(case):
    delta, config = build(case)
    check_forward(delta, config, fusion(delta, config))


@pytest.mark.parametrize("case", SHAPES)
def test_the_gradients_equal_those_of_the_equations(case):
    delta, config = build(case)
    check_gradients(delta, config, fusion(delta, config))


def test_no_layer_has_a_bias():
    names = {name for name, _ in build("plain")[0].named_parameters()}
    assert names == {
        *(f"mpo_{side}.{k}" for side in "ab" for k in range(4)),
        *("mlp_a.weight", "mlp_b.weight", "angles", "w_q", "w_c"),
    }


def test_the_start():
    config = QTHAConfig(width=16, bond_dim=2)
    delta = QTHADelta(24, 16, config, None)
    assert torch.equal(delta(torch.randn(3, 24)), torch.zeros(3, 16))
    assert [n for n, p in delta.named_parameters() if not p.any()] == ["mpo_b.3"]
    # 30 modules of 64 angles fill (-pi, pi): 1920 uniform angles leave gaps of about 0.1 % at the ends
    angles = torch.cat([QTHADelta(24, 16, config, None).angles for _ in range(30)])
    assert angles.numel() == 1920 and (angles != 0).all()
    assert -np.pi <= angles.min() < -3.1 and 3.1 < angles.max() <= np.pi
    # rows of the small matrices: U(-b, b), b = fan_in^-1/2
    for name, fan_in in [("mlp_a.weight", 16), ("mlp_b.weight", 4), ("w_q", 4), ("w_c", 4)]:
        assert 0.5 * fan_in**-0.5 < delta.get_parameter(name).abs().max() <= fan_in**-0.5


def test_the_dense_matrix_starts_with_the_variance_of_kaiming_normal():
    """2 / fan_in. 40 matrices of 64 x 64: products of four Gaussians are heavy-tailed, 15 % is four deviations."""
    config = QTHAConfig(width=64, bond_dim=3)
    deltas = [QTHADelta(64, 16, config, torch.Generator().manual_seed(k)) for k in range(40)]
    variance = torch.stack([mpo.dense(list(d.mpo_a)) for d in deltas]).var().item()
    assert abs(variance * 64 / 2 - 1) < 0.15


def test_layers_are_r_unless_given():
    assert QTHAConfig(r=3).ansatz().num_weights == 4 * 3 * 3
    assert QTHAConfig(r=3, layers=5).ansatz().num_weights == 4 * 3 * 5


@IGNORED
def test_the_count_on_qwen2_7b():
    model = on_meta(QTHAConfig(), **QWEN2_7B)
    assert model.get_nb_trainable_parameters()[0] == 308_784  # 24.5 % of LoRA r=4: 76 % fewer, as published
    assert {p.device.type for p in model.parameters()} == {"meta"}


def test_sizes_on_qwen2_7b_are_the_published_ones():
    config = QTHAConfig()
    shapes = shapes_of(3584, 512, 28)
    config.resolve(shapes)
    assert (config.width, config.bond_dim) == (256, 5)
    assert config.notes(shapes) == ["256 = 4 x 4 x 4 x 4", "512 = 8 x 4 x 4 x 4", "3584 = 8 x 8 x 8 x 7"]


@pytest.mark.parametrize("hidden, kv", [(224, 64), (224, 224), (128, 128), (128, 64), (896, 128), (2048, 2048)])
def test_sizes_on_smaller_models_stay_below_0_30_of_lora(hidden, kv):
    config = QTHAConfig()
    config.resolve(shapes_of(hidden, kv))
    assert ratio(config, shapes_of(hidden, kv)) <= 0.30


@pytest.mark.parametrize(
    "options, message",
    [
        ({"r": 0}, "r=0 must be a whole number, at least 1"),
        ({"r": 11}, "r=11 qubits; circuit=qnn takes at most 10"),
        ({"r": 9, "circuit": "polynomial"}, "r=9 qubits; circuit=polynomial takes at most 8"),
        ({"alpha": -1.0}, "alpha=-1.0 must be a finite number, above 0"),
        ({"layers": 0}, "layers=0"),
        ({"width": 0}, "width=0"),
        ({"bond_dim": -1}, "bond_dim=-1"),
        ({"cores": 0}, "cores=0"),
        ({"circuit": "quantum"}, "circuit=quantum does not exist.* Choices: constants, none, polynomial, qnn, silu"),
        ({"circuit": "polynomal"}, "Did you mean 'polynomial'"),
        ({"encode": "layers"}, "encode=layers does not exist. Did you mean 'layer'"),
        ({"order": "ry"}, "order=ry does not exist.* Choices: crz_first, ry_first"),
        ({"circuit": "none", "classical_path": False}, "leaves nothing"),
        ({"circuit": "silu", "entangle": False}, "entangle=false is about circuit=qnn"),
        ({"circuit": "none", "train_angles": False}, "train_angles=false is about circuit=qnn"),
        ({"circuit": "none", "shuffle": True}, "shuffle=true has no effect with circuit=none"),
        ({"circuit": "constants", "shuffle": True}, "shuffle=true has no effect with circuit=constants"),
    ],
)
def test_options_that_make_no_sense_are_refused_in_one_line(options, message):
    with pytest.raises(QftError, match=message) as caught:
        QTHAConfig(**options)
    assert "\n" not in str(caught.value)


@IGNORED
def test_a_refusal_leaves_the_model_as_it_was():
    base = tiny.build("qwen2")
    modules = {n: type(m) for n, m in base.named_modules()}
    with pytest.raises(QftError, match=r"97 does not split into 4 .* set pad=true"):
        get_peft_model(base, QTHAConfig(target_modules=["lm_head"], pad=False))
    assert {n: type(m) for n, m in base.named_modules()} == modules
    assert not any(hasattr(m, "qft_delta") for m in base.modules())
