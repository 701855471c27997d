"""LoRETTA_adp against its trains written out, its starts, and what it refuses."""

import numpy as np
import pytest
import tiny
import torch
from deltas import moved, total
from peft import get_peft_model

from qft.adapters import LoRETTAAdpConfig
from qft.errors import QftError


@pytest.mark.parametrize(
    "options, blocks, expected",
    [
        ({}, [(3584, 3584)] * 28, 162_064),
        ({}, [(224, 224)] * 5, 8_540),
        ({"bond_dim": 1}, [(224, 224)] * 5, 1_900),
        ({"bond_dim": 9}, [(3584, 3584)] * 28, 286_608),
    ],
    ids=["7B", "4M", "4M, R=1", "7B, R=9"],
)
def test_counts(options, blocks, expected):
    assert total(LoRETTAAdpConfig(**options), blocks) == expected


@pytest.mark.parametrize("activation, act", [("tanh", np.tanh), ("relu", lambda z: np.maximum(z, 0))])
@pytest.mark.parametrize("d, b", [(12, 4), (31, 6)], ids=["whole", "padded"])
def test_it_is_two_trains_with_an_activation_between(d, b, activation, act):
    delta = moved(LoRETTAAdpConfig(bottleneck=b, bond_dim=3, activation=activation), d, d)
    (d1, d2), (b1, b2) = {12: (3, 4), 31: (4, 8)}[d], {4: (2, 2), 6: (3, 2)}[b]
    down, up = ([core.detach().numpy() for core in cores] for cores in (delta.down, delta.up))
    dense_down = np.einsum("aib,bjc,ckd,dle->ijkl", *down).reshape(d1 * d2, b1 * b2)[:d]
    dense_up = np.einsum("aib,bjc,ckd,dle->ijkl", *up).reshape(b1 * b2, d1 * d2)[:, :d]
    h = torch.randn(5, d, dtype=torch.float64)
    hidden = act(h.numpy() @ dense_down + delta.down_bias.detach().numpy())
    expected = hidden @ dense_up + delta.up_bias.detach().numpy()
    np.testing.assert_allclose(delta(h).detach().numpy(), expected, rtol=0, atol=1e-12)


def test_the_starts():
    zero, published = (
        c.delta_class(224, 224, c, torch.Generator().manual_seed(1))
        for c in (LoRETTAAdpConfig(), LoRETTAAdpConfig(start="published"))
    )
    h = torch.randn(3, 224)
    assert not zero(h).any() and published(h).any()
    zero(h).sum().backward()
    moving = {name for name, p in zero.named_parameters() if p.grad.any()}
    assert moving == {"up.3", "up_bias"}
    assert all(torch.equal(a, b) for a, b in zip(zero.down, published.down, strict=True))


def test_the_trains_start_with_the_published_variance():
    """1 / (d + b), estimated over 20 starts: entries of one train share cores."""
    config = LoRETTAAdpConfig(start="published")
    found = [config.delta_class(224, 224, config, torch.Generator().manual_seed(s)).precompute() for s in range(20)]
    for weights in ([layers.down for layers in found], [layers.up for layers in found]):
        assert 0.7 < torch.stack(weights).square().mean().item() * (224 + 64) < 1.4


@pytest.mark.parametrize(
    "options, message",
    [
        ({"r": 8}, "loretta_adp has no rank and no scale"),
        ({"activation": "gelu"}, "activation=gelu does not exist.*relu, tanh"),
        ({"start": "one"}, "start=one does not exist.*published, zero"),
        ({"bottleneck": 0}, "bottleneck=0.*at least 1"),
        ({"target_modules": ["q_proj"]}, "only attention and feed-forward blocks"),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(QftError, match=message):
        get_peft_model(tiny.build("qwen2"), LoRETTAAdpConfig(**options))
