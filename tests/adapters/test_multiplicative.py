"""Adapters that turn a layer's input or output: against dense matrices, alone, beside others, merged; PEFT's OFT."""

import copy
from itertools import combinations

import pytest
import tiny
import torch
from deltas import BASE_4M, QWEN2_7B, moved, total
from peft import OFTConfig, get_peft_model
from torch import nn

from qft.adapters import METHODS, ButterflyConfig, CUAConfig, QftLayer, QuICConfig
from qft.errors import QftError
from qft.tensor.orthogonal import cayley

LLAMA_7B = [(4096, 4096)] * 64


@pytest.mark.parametrize(
    "config, shapes, expected",
    [
        (CUAConfig(), QWEN2_7B, 301_056),
        (CUAConfig(), BASE_4M, 3_360),
        (CUAConfig(block=8), BASE_4M, 7_840),
        (CUAConfig(), [(4096, 1024)], 6_144),  # published
        (CUAConfig(block=8), [(4096, 1024)], 14_336),  # published
        (ButterflyConfig(), QWEN2_7B, 645_120),
        (ButterflyConfig(), BASE_4M, 4_640),
        (ButterflyConfig(stages=5), QWEN2_7B, 286_720),
        (ButterflyConfig(stages=23), BASE_4M, 14_080),
        (QuICConfig(), QWEN2_7B, 103_600),
        (QuICConfig(), BASE_4M, 960),
        (QuICConfig(num_adapters=14), BASE_4M, 13_440),
        (QuICConfig(), LLAMA_7B, 242_176),
        (QuICConfig(blocks=3), [(768, 768)] * 24, 16_632),
    ],
    ids=[f"{i}" for i in range(14)],
)
def test_counts(config, shapes, expected):
    assert total(config, shapes) == expected


def test_the_stored_numbers_of_quic_are_shown_beside_the_free_ones():
    """Published: 0.5 M on LLaMA-7B and 0.03 M on DeBERTa, 64 and 24 layers."""
    (llama,) = QuICConfig().notes(LLAMA_7B)
    assert llama == "4096: 4 blocks of 1024, A 44 x 44; 3,784 free, 7,744 stored" and 64 * 7744 == 495_616
    (encoder,) = QuICConfig(blocks=3).notes([(768, 768)])
    assert "693 free, 1,452 stored" in encoder and 24 * 1452 == 34_848


def cua_matrix(delta, features):
    """Q with each block by its formula."""
    q, one = torch.eye(features, dtype=torch.float64), torch.eye(delta.block, dtype=torch.float64)
    for k, numbers in enumerate(delta.skew.detach()):
        a = torch.zeros(delta.block, delta.block, dtype=torch.float64)
        a[tuple(torch.triu_indices(delta.block, delta.block, 1))] = numbers
        a = a - a.T
        place = slice(k * delta.block, (k + 1) * delta.block)
        q[place, place] = torch.linalg.inv(one + a / 2) @ (one - a / 2)
    return q


def quic_matrix(delta, features):
    """R with every minor taken."""
    whole = torch.eye(features, dtype=torch.float64)
    for roll, matrices in zip(delta.rolls, cayley(delta.skew, delta.n).detach(), strict=True):
        r = torch.eye(features, dtype=torch.float64)
        for k, a in enumerate(matrices):
            pairs = list(combinations(range(delta.n), 2)) if delta.order == 2 else []
            minors = [torch.linalg.det(a[list(s)][:, list(t)]) for s in pairs for t in pairs]
            first = k * delta.block
            second, end = first + delta.n, first + delta.n + len(pairs)
            r[first:second, first:second] = a
            if pairs:
                r[second:end, second:end] = torch.stack(minors).view(len(pairs), -1)
        shift = torch.eye(features, dtype=torch.float64).roll(-roll, 0)  # x -> x.roll(-roll)
        whole = shift.T @ r @ shift @ whole
    return whole


@pytest.mark.parametrize("features, block", [(12, 4), (14, 4), (9, 2), (8, 8)])
def test_cua_turns_the_input_by_its_blocks(features, block):
    delta = moved(CUAConfig(block=block), features, 5)
    q, x = cua_matrix(delta, features), torch.randn(6, features, dtype=torch.float64)
    torch.testing.assert_close(delta(x), x @ q.T, rtol=0, atol=1e-12)
    torch.testing.assert_close(q @ q.T, torch.eye(features, dtype=torch.float64), rtol=0, atol=1e-12)
    weight = torch.randn(5, features, dtype=torch.float64)
    torch.testing.assert_close(delta.merged(weight)[0], weight @ q - weight, rtol=0, atol=1e-12)
    signs = moved(CUAConfig(block=block, readout="sign_constrained"), features, 5)
    torch.testing.assert_close(signs(x), x.sign() * (x @ q.T).abs(), rtol=0, atol=1e-12)
    assert delta.linear and not signs.linear


@pytest.mark.parametrize(
    "options", [{}, {"num_adapters": 3}, {"order": 1}, {"num_adapters": 2, "offset": False}], ids=str
)
@pytest.mark.parametrize("features", [24, 31])
@pytest.mark.parametrize("whole", [True, False], ids=["by-blocks", "packed"])
def test_quic_turns_the_output_by_its_minors(features, options, whole):
    delta = moved(QuICConfig(blocks=2, **options), 5, features)
    delta.whole = whole or delta.order == 1  # with minors taken, and without
    r, z = quic_matrix(delta, features), torch.randn(6, features, dtype=torch.float64)
    torch.testing.assert_close(delta(z), z @ r.T, rtol=0, atol=1e-11)
    torch.testing.assert_close(r @ r.T, torch.eye(features, dtype=torch.float64), rtol=0, atol=1e-11)
    weight = torch.randn(features, 5, dtype=torch.float64)
    torch.testing.assert_close(delta.merged(weight)[0], r @ weight - weight, rtol=0, atol=1e-11)


def test_quic_adapters_without_an_offset_add_no_functions():
    """C(A) C(B) = C(A B): the product has the form of one adapter; with the offset it has not."""
    for offset in (True, False):
        r = quic_matrix(moved(QuICConfig(blocks=1, num_adapters=2, offset=offset), 5, 10), 10)
        a = r[:4, :4]
        pairs = list(combinations(range(4), 2))
        minors = torch.stack([torch.linalg.det(a[list(s)][:, list(t)]) for s in pairs for t in pairs]).view(6, 6)
        of_one = (r[:4, 4:].abs().max() < 1e-12) and (r[4:, 4:] - minors).abs().max() < 1e-12
        assert of_one != offset


def test_cua_is_the_function_class_of_pefts_oft():
    base = nn.Sequential(nn.Linear(12, 7)).double().requires_grad_(False)
    settings = OFTConfig(target_modules=["0"], oft_block_size=4, use_cayley_neumann=False)
    theirs = get_peft_model(copy.deepcopy(base), settings).double()
    numbers = next(p for n, p in theirs.named_parameters() if p.requires_grad)
    delta = moved(CUAConfig(), 12, 7)
    layer = QftLayer(base[0], 12, 7)
    layer.add("default", delta)
    with torch.no_grad():
        numbers.copy_(-delta.skew / 2)  # theirs: (I + S)(I - S)^-1 on rows
    x = torch.randn(3, 12, dtype=torch.float64)
    torch.testing.assert_close(layer(x), theirs(x), rtol=0, atol=1e-12)


class Counted(nn.Linear):
    """A linear layer that counts its calls."""

    calls = 0

    def forward(self, x):
        self.calls += 1
        return super().forward(x)


TURNS = {"cua": CUAConfig(), "quic": QuICConfig(blocks=2), "butterfly": ButterflyConfig()}


@pytest.fixture
def layer():
    torch.manual_seed(3)
    base = Counted(12, 10).double().requires_grad_(False)
    built = QftLayer(base, 12, 10)
    for seed, (name, config) in enumerate(TURNS.items()):
        built.add(name, moved(config, 12, 10, seed))
    built.add("sora", moved(METHODS["sora"](), 12, 10, 9))
    return built.eval()


def changed(layer, name):
    """W' of one adapter alone, dense."""
    delta, weight = layer.qft_delta[name], layer.base_layer.weight
    one_in, one_out = (torch.eye(n, dtype=torch.float64) for n in (12, 10))
    if delta.side == "input":
        return weight @ delta(one_in).T
    return delta(one_out).T @ weight if delta.side == "output" else weight + delta.matrix()[0]


@pytest.mark.parametrize("name", TURNS)
def test_alone_it_turns_what_it_is_on_and_never_the_bias(layer, name):
    layer.set_adapter(name)
    x = torch.randn(5, 12, dtype=torch.float64)
    base = layer.base_layer
    base.calls = 0
    expected = x @ changed(layer, name).T + base.bias
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)
    assert base.calls == 1  # no second product with W
    torch.testing.assert_close(layer(x=x), expected, rtol=0, atol=1e-12)


def test_several_add_up_what_each_changes(layer):
    names = list(layer.qft_delta)
    layer.set_adapter(names)
    x, weight = torch.randn(5, 12, dtype=torch.float64), layer.base_layer.weight
    dense = weight + sum(changed(layer, name) - weight for name in names)
    expected = x @ dense.T + layer.base_layer.bias
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)
    rows = torch.cat([x] * 3)
    mixed = layer(rows, adapter_names=[*["cua"] * 5, *["__base__"] * 5, *["quic"] * 5])
    parts = [changed(layer, "cua"), weight, changed(layer, "quic")]
    torch.testing.assert_close(
        mixed, torch.cat([x @ part.T for part in parts]) + layer.base_layer.bias, rtol=0, atol=1e-12
    )


@pytest.mark.filterwarnings("ignore:Already following adapters were merged")
@pytest.mark.parametrize("order", [["cua", "quic", "sora"], ["sora", "butterfly", "cua"]], ids=str)
def test_several_merge_to_their_sum_and_come_off_exactly(layer, order):
    layer.set_adapter(order)
    x, before = torch.randn(5, 12, dtype=torch.float64), copy.deepcopy(layer.base_layer.state_dict())
    expected = layer(x)
    for name in order:  # one after the other, as a user may
        layer.merge(adapter_names=[name])
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)
    layer.unmerge()
    assert not layer.merged_adapters
    assert all(torch.equal(v, before[k]) for k, v in layer.base_layer.state_dict().items())
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)


def test_the_readout_of_a_chip_is_not_merged():
    model = get_peft_model(tiny.build("qwen2"), CUAConfig(readout="sign_constrained"))
    with pytest.raises(ValueError, match="is not linear in its input"):
        model.merge_and_unload()


@pytest.mark.parametrize(
    "config, message",
    [
        (lambda: CUAConfig(block=6), r"block=6 is no power of two; the nearest are 4 and 8\."),
        (lambda: CUAConfig(block=64), r"block=64 is above the 32 features of a layer; at most 32\."),
        (lambda: CUAConfig(readout="signs"), "readout=signs does not exist.*sign_constrained"),
        (lambda: CUAConfig(alpha=2.0), "cua has no rank and no scale"),
        (lambda: QuICConfig(blocks=9), r"blocks=9 of 16 outputs are too small; at most 5 fit\."),
        (lambda: QuICConfig(order=3), "order=3.*at most 2"),
        (lambda: ButterflyConfig(stages=0), "stages=0.*at least 1"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(config, message):
    base = tiny.build("qwen2")
    with pytest.raises(QftError, match=message):
        get_peft_model(base, config())
    assert not hasattr(base, "peft_config")
