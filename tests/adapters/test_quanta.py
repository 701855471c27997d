"""QuanTA against its operator built densely, and what it refuses."""

import numpy as np
import pytest
import tiny
import torch
from peft import PeftModel, get_peft_model

from qft.adapters import QuanTAConfig
from qft.adapters.quanta import QuanTADelta, apply, pairs
from qft.errors import QftError

# (in, out, axes or None)
SHAPES = {
    "square": (24, 24, [2, 3, 4]),
    "two-axes": (12, 12, [3, 4]),
    "padded": (20, 20, [2, 3, 4]),
    "narrow": (24, 7, [2, 3, 4]),
    "wide": (7, 24, [2, 3, 4]),
    "padded-output": (7, 30, [2, 3, 4]),
    "cut-input": (30, 7, [2, 3, 4]),
    "four-axes": (24, 24, [2, 2, 3, 2]),
    "five-axes": (40, 24, [2, 2, 3, 2, 2]),
    "automatic": (97, 53, None),
}


def build(case):
    n_in, n_out, axes = SHAPES[case]
    generator = torch.Generator().manual_seed(4)
    delta = QuanTADelta(n_in, n_out, QuanTAConfig(axes=axes), generator).double()
    with torch.no_grad():
        for gate in delta.parameters():
            gate.add_(torch.randn(gate.shape, generator=generator))
    return delta


def dense_operator(gates, axes):
    """Each gate as a full matrix, entry by entry, then their product."""
    size = int(np.prod(axes))
    total = np.eye(size)
    for gate, (m, n) in zip(gates, pairs(len(axes)), strict=True):
        full = np.zeros((size, size))
        for row in range(size):
            i = list(np.unravel_index(row, axes))
            for a in range(axes[m]):
                for b in range(axes[n]):
                    j = list(i)
                    j[m], j[n] = a, b
                    column = int(np.ravel_multi_index(j, axes))
                    full[row, column] = gate[i[m] * axes[n] + i[n], a * axes[n] + b]
        total = full @ total
    return total


def fit(matrix, rows, columns):
    out = np.zeros((max(rows, matrix.shape[0]), max(columns, matrix.shape[1])))
    out[: matrix.shape[0], : matrix.shape[1]] = matrix
    return out[:rows, :columns]


def test_every_pair_once_the_last_axes_first():
    assert pairs(3) == [(1, 2), (0, 2), (0, 1)]
    assert len(pairs(4)) == 6 and pairs(4)[0] == (2, 3) and pairs(4)[-1] == (0, 1)


@pytest.mark.parametrize("dense", [True, False], ids=["by-matrix", "by-gates"])
@pytest.mark.parametrize("case", SHAPES)
def test_it_equals_the_dense_operator(case, dense):
    delta = build(case)
    delta.dense = dense
    gates = [g.detach().numpy() for g in delta.gates]
    initial = [g.numpy() for g in delta.initial]
    operator = dense_operator(gates, delta.axes) - dense_operator(initial, delta.axes)
    operator = fit(operator, delta.out_features, delta.in_features)
    x = torch.randn(5, delta.in_features, dtype=torch.float64)
    expected = x.numpy() @ operator.T
    assert np.abs(expected).max() > 0.1
    # some thousand products of order up to the largest entry, 1e-16 each
    close = {"rtol": 0, "atol": 1e-11 * np.abs(operator).max()}
    np.testing.assert_allclose(delta(x).detach().numpy(), expected, **close)
    np.testing.assert_allclose(delta.matrix()[0].detach().numpy(), operator, **close)


@pytest.mark.parametrize("case", SHAPES)
def test_both_ways_give_the_same_gradients(case):
    delta = build(case)
    x = torch.randn(4, delta.in_features, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn(4, delta.out_features, dtype=torch.float64)
    grads = []
    for delta.dense in (True, False):
        grads.append(torch.autograd.grad(delta(x), (x, *delta.parameters()), upstream))
    for a, b in zip(*grads, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


def test_the_start_is_zero_whichever_way():
    for n_in, n_out in ((24, 24), (97, 53), (53, 97)):
        delta = QuanTADelta(n_in, n_out, QuanTAConfig(), None)
        for delta.dense in (True, False):
            assert torch.equal(delta(torch.randn(3, n_in)), torch.zeros(3, n_out))


@pytest.mark.parametrize("axes", [[8, 8, 8, 8], [16, 4], [6, 5, 7]], ids=str)
def test_gates_start_with_the_authors_variance(axes):
    """U(-b, b), b = sqrt(3 / fan): a variance of 1 / fan, with n numbers known to sqrt(0.8 / n) of itself."""
    size = int(np.prod(axes))
    delta = QuanTADelta(size, size, QuanTAConfig(axes=axes), torch.Generator().manual_seed(0))
    for gate in delta.gates:
        fan = gate.shape[1]
        assert 0.98 * (3 / fan) ** 0.5 < gate.abs().max() <= (3 / fan) ** 0.5
        assert abs(gate.var().item() * fan - 1) < 5 * (0.8 / gate.numel()) ** 0.5


def test_the_operator_keeps_the_length_of_a_vector():
    delta = QuanTADelta(4096, 4096, QuanTAConfig(axes=[8, 8, 8, 8]), torch.Generator().manual_seed(0))
    x = torch.randn(20, 4096, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        ratio = apply(list(delta.gates), delta.axes, x).norm(dim=1) / x.norm(dim=1)
    assert abs(ratio.mean().item() - 1) < 0.1  # six gates of 64 x 64 numbers, each of a norm known to 1 %


def test_the_cheaper_way_is_taken():
    config = QuanTAConfig(axes=[8, 8, 8, 8])
    with torch.device("meta"):
        assert not QuanTADelta(3584, 3584, config, None).dense
        assert QuanTADelta(3584, 512, config, None).dense
        assert QuanTADelta(3584, 3584, config, None).count(3584, 3584, config) == 24_576


def test_the_frozen_gates_are_saved(tmp_path):
    torch.manual_seed(1)
    model = get_peft_model(tiny.build("qwen2"), QuanTAConfig())
    model.save_pretrained(tmp_path)
    torch.manual_seed(2)
    loaded = PeftModel.from_pretrained(tiny.build("qwen2"), tmp_path)
    first, second = dict(model.named_buffers()), dict(loaded.named_buffers())
    initial = [name for name in first if "initial" in name]
    assert len(initial) == 4 * 6
    assert all(torch.equal(first[name], second[name]) for name in initial)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"axes": [8]}, "two axes or more"),
        ({"axes": [8, 0]}, "at least 1"),
        ({"num_axes": 1}, "at least 2"),
        ({"r": 8}, "quanta has no rank"),
        ({"axes": [2, 2]}, r"axes=\[2, 2\] hold 4 numbers, too few for a layer of 32 x 16"),
    ],
)
def test_impossible_axes_are_refused(options, message):
    base = tiny.build("qwen2")
    with pytest.raises(QftError, match=message):
        get_peft_model(base, QuanTAConfig(**options))
    assert not hasattr(base, "peft_config")
