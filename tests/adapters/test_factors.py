"""Methods contracted once a step to LoRA's factors: against their equations written out, published counts, refusals."""

import numpy as np
import pytest
import tiny
import torch
from deltas import BASE_4M, QWEN2_7B, moved, total
from peft import get_peft_model

from qft.adapters import LoRETTAConfig, QuantumPEFTConfig, TTLoRAConfig
from qft.adapters.quantum_peft import QuantumPEFTDelta
from qft.errors import QftError
from qft.tensor.two_design import columns

CASES = {
    "quantum_peft": QuantumPEFTConfig(layers=2, rank=3),
    "quantum_peft-difference": QuantumPEFTConfig(start="difference", sizes="mixed"),
    "tt_lora": TTLoRAConfig(r=2),
    "loretta": LoRETTAConfig(r=3, bond_dim=2),
}


@pytest.mark.parametrize(
    "config, shapes, expected",
    [
        (QuantumPEFTConfig(), QWEN2_7B, 3_780),
        (QuantumPEFTConfig(), BASE_4M, 435),
        (QuantumPEFTConfig(layers=130), QWEN2_7B, 299_964),
        (QuantumPEFTConfig(layers=55), BASE_4M, 13_935),
        (QuantumPEFTConfig(layers=0), BASE_4M, 185),
        (QuantumPEFTConfig(rank=10_000), QWEN2_7B, 118_244),
        (TTLoRAConfig(), QWEN2_7B, 51_660),
        (TTLoRAConfig(), BASE_4M, 5_425),
        (TTLoRAConfig(r=8), BASE_4M, 13_120),
        (LoRETTAConfig(), QWEN2_7B, 86_520),
        (LoRETTAConfig(), BASE_4M, 8_950),
        (LoRETTAConfig(bond_dim=1), BASE_4M, 670),
        (LoRETTAConfig(), [(768, 768)], 1_160),  # published
    ],
    ids=[f"{i}" for i in range(13)],
)
def test_counts(config, shapes, expected):
    assert total(config, shapes) == expected


def test_the_published_count_of_tt_lora_on_llama_3_2_1b():
    axes = [[[16, 8, 4, 4], [4, 4, 8, 16]], [[16, 16, 4, 2], [2, 16, 16]]]
    assert total(TTLoRAConfig(axes=axes), [(2048, 2048)] * 16 + [(2048, 512)] * 16) == 33_920


def test_the_factors_are_the_equation_of_quantum_peft():
    delta = moved(CASES["quantum_peft"], 13, 6)
    u = columns(delta.out_angles, delta.out_plan, 3).T[:6]
    v = columns(delta.in_angles, delta.in_plan, 3).T[:13]
    torch.testing.assert_close(delta.matrix()[0], u @ torch.diag(delta.values) @ v.T, rtol=0, atol=1e-12)


def test_the_difference_of_quantum_peft_is_the_change_less_the_first_one():
    delta = moved(CASES["quantum_peft-difference"], 28, 12)
    change = []
    for values, outs, ins in (
        (delta.values, delta.out_angles, delta.in_angles),
        (delta.initial_values, delta.initial_out_angles, delta.initial_in_angles),
    ):
        u, v = columns(outs, delta.out_plan, 4), columns(ins, delta.in_plan, 4)
        torch.testing.assert_close(u @ u.T, torch.eye(4, dtype=torch.float64), rtol=0, atol=1e-12)  # sizes=mixed
        change.append(u.T @ torch.diag(values) @ v)
    torch.testing.assert_close(delta.matrix()[0], change[0] - change[1], rtol=0, atol=1e-12)
    assert torch.linalg.matrix_rank(delta.matrix()[0]) == 8


@pytest.mark.parametrize("sizes", ["truncate", "mixed"])
@pytest.mark.parametrize("shape", [(28, 28), (28, 12)], ids=str)
def test_the_difference_starts_at_exactly_zero_with_gradients_everywhere(shape, sizes):
    config = QuantumPEFTConfig(start="difference", sizes=sizes)
    delta = QuantumPEFTDelta(*shape, config, torch.Generator().manual_seed(1))
    x = torch.randn(5, shape[0])
    out = delta(x)
    assert torch.equal(out, torch.zeros_like(out))
    out.backward(torch.randn(out.shape))
    assert all(p.grad.abs().max() > 1e-4 for p in delta.parameters())


def test_the_factors_are_the_equation_of_tt_lora():
    """dW[j_1..j_n, i_m..i_1], the cores in the order of the paper, by einsum."""
    axes = [[[4, 3, 2], [3, 5]]]
    delta = moved(TTLoRAConfig(r=2, alpha=3.0, axes=axes), 24, 15)
    cores = [core.detach().numpy() for core in delta.cores]
    assert [c.shape[1] for c in cores] == [4, 3, 2, 3, 5]
    full = np.einsum("aib,bjc,ckd,dle,emf->lmkji", *cores)  # the first core's axis is the fastest of the input
    np.testing.assert_allclose(delta.matrix()[0].detach().numpy(), 3.0 * full.reshape(15, 24), rtol=0, atol=1e-12)


def test_the_factors_are_the_equation_of_loretta():
    delta = moved(LoRETTAConfig(r=3, alpha=6.0, bond_dim=2, axes=[[[4, 2, 3], [5, 3]]]), 24, 15)
    a = np.einsum("aib,bjc,ckd,dre->ijkr", *(core.detach().numpy() for core in delta.a)).reshape(24, 3)
    b = np.einsum("arb,bjc,ckd->rjk", *(core.detach().numpy() for core in delta.b)).reshape(3, 15)
    np.testing.assert_allclose(delta.matrix()[0].detach().numpy(), 2.0 * (a @ b).T, rtol=0, atol=1e-12)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("shape", [(13, 6), (7, 29), (24, 24)], ids=str)
def test_any_size_of_layer_is_split(case, shape):
    delta = moved(CASES[case], *shape)
    x = torch.randn(4, shape[0], dtype=torch.float64)
    torch.testing.assert_close(delta(x), x @ delta.matrix()[0].T, rtol=0, atol=1e-11)
    assert delta(x).shape == (4, shape[1]) and delta(x).abs().max() > 1e-3


def test_loretta_starts_with_the_published_variance():
    """Entries of variance 1 / (in + r): of 10 trains, whose entries depend on each other, known to about 15 %."""
    config = LoRETTAConfig(start="published")
    with torch.no_grad():
        factors = [config.delta_class(768, 768, config, torch.Generator().manual_seed(s)).factors() for s in range(10)]
    for number, scale in ((0, 1.0), (1, 2.0)):
        mean = torch.stack([f[number].square().mean() / scale**2 for f in factors]).mean()
        assert abs(mean * (768 + 8) - 1) < 0.4


def test_tt_lora_starts_with_cores_of_norm_one_where_published():
    delta = TTLoRAConfig(start="published").delta_class(24, 15, TTLoRAConfig(start="published"), None)
    assert all(abs(core.norm().item() - 1) < 1e-6 for core in delta.cores)


@pytest.mark.parametrize(
    "config, message",
    [
        (lambda: QuantumPEFTConfig(r=8), "quantum_peft has no rank and no scale"),
        (lambda: QuantumPEFTConfig(start="lamda"), "start=lamda does not exist.*lambda"),
        (lambda: TTLoRAConfig(r=17), r"r=17 is above what a layer of 32 x 16 has; at most 16\."),
        (lambda: LoRETTAConfig(r=40), "r=40 is above what a layer of 32 x 16 has; at most 16"),
        (
            lambda: TTLoRAConfig(axes=[[[8, 4], [4, 7]]]),
            r"axes of 32 x 28 features fit no adapted layer; the nearest is 32 x 32, .* \[\[8,4\],\[4,8\]\]",
        ),
        (lambda: LoRETTAConfig(axes=[4, 8]), r"axes=\[4, 8\] should be, for each size of layer"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(config, message):
    base = tiny.build("qwen2")
    with pytest.raises(QftError, match=message):
        get_peft_model(base, config())
    assert not hasattr(base, "peft_config")


def test_a_width_without_a_mixed_circuit_names_the_nearest():
    with pytest.raises(QftError, match=r"splits 1009 features into one axis of 1009.* nearest size .* is 1008, and"):
        QuantumPEFTConfig(sizes="mixed").plan(1009)
