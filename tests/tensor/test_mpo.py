from itertools import product
from math import prod

import pytest
import torch

from qft.tensor import mpo

SHAPES = [
    ((4, 3, 2), (2, 3, 5), 3),
    ((8, 4, 4), (4, 2, 4), 5),
    ((6,), (5,), 3),
    ((3, 4), (4, 2), 2),
    ((2, 3, 2, 2), (3, 1, 2, 2), 2),
]


def cores_for(outs, ins, bond):
    return [torch.randn(shape, dtype=torch.float64) for shape in mpo.core_shapes(outs, ins, bond)]


def test_dense_is_equation_1_entry_by_entry():
    outs, ins = (2, 3, 2), (3, 1, 2)
    cores = cores_for(outs, ins, 2)
    w = mpo.dense(cores).reshape(*outs, *ins)
    for j in product(*map(range, outs)):
        for i in product(*map(range, ins)):
            entry = torch.eye(1, dtype=torch.float64)
            for core, jk, ik in zip(cores, j, i, strict=True):
                entry = entry @ core[:, jk, ik, :]
            # three products of numbers of order 1
            torch.testing.assert_close(w[j + i], entry.trace(), rtol=0, atol=1e-13)


@pytest.mark.parametrize("outs, ins, bond", SHAPES)
def test_products_equal_the_dense_matrix(outs, ins, bond):
    """Sums of at most a few thousand products of order 1..10^2: 1e-11 is 1e3 roundings."""
    cores = cores_for(outs, ins, bond)
    w = mpo.dense(cores)
    assert w.shape == (prod(outs), prod(ins))
    rows, columns = torch.randn(3, prod(outs), dtype=torch.float64), torch.randn(prod(ins), 2, dtype=torch.float64)
    torch.testing.assert_close(mpo.rows_times(rows, cores), rows @ w, rtol=1e-13, atol=1e-11)
    torch.testing.assert_close(mpo.times_columns(cores, columns), w @ columns, rtol=1e-13, atol=1e-11)


def test_products_are_differentiable_in_cores_and_rows():
    outs, ins, bond = SHAPES[0]
    cores = [c.requires_grad_() for c in cores_for(outs, ins, bond)]
    rows = torch.randn(2, prod(outs), dtype=torch.float64, requires_grad=True)
    upstream = torch.randn(2, prod(ins), dtype=torch.float64)
    fast = torch.autograd.grad(mpo.rows_times(rows, cores), (rows, *cores), upstream)
    slow = torch.autograd.grad(rows @ mpo.dense(cores), (rows, *cores), upstream)
    for a, b in zip(fast, slow, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-11)


@pytest.mark.parametrize("outs, ins, bond", SHAPES)
def test_counts_of_equations_3_and_4(outs, ins, bond):
    total = sum(core.numel() for core in cores_for(outs, ins, bond))
    assert mpo.num_parameters(outs, ins, bond) == total
    if len(ins) > 1:
        ends = bond * (ins[0] * outs[0] + ins[-1] * outs[-1])
        assert total == ends + bond**2 * sum(i * j for i, j in zip(ins[1:-1], outs[1:-1], strict=True))


def test_counts_of_the_published_shapes():
    assert mpo.num_parameters((8, 4, 4), (16, 14, 16), 5) == 640 + 1400 + 320
    assert mpo.num_parameters((8, 8, 8), (8, 4, 4), 5) == 320 + 800 + 160


def test_unequal_numbers_of_factors_are_refused():
    with pytest.raises(ValueError, match="2 output factors but 3 input"):
        mpo.core_shapes((2, 2), (2, 2, 2), 4)


@pytest.mark.parametrize("outs, ins, bond", [((8, 4, 4), (8, 4, 7), 5), ((4, 2, 2), (4, 2, 4), 2), ((8, 8), (8, 8), 3)])
def test_the_dense_matrix_starts_with_the_variance_of_a_kaiming_linear(outs, ins, bond):
    """1 / (3 fan_in). Entries share cores, so one draw scatters by tens of percent: 1000 draws bring the
    standard error of the mean below 2 %, four of those are 8 %; a wrong bond or core exponent is off by 2 or more."""
    fan_in = prod(ins)
    squares = []
    for seed in range(1000):
        generator = torch.Generator().manual_seed(seed)
        w = mpo.dense(mpo.initial_cores(outs, ins, bond, fan_in, generator)).double()
        squares.append((w**2).mean())
    squares = torch.stack(squares)
    assert squares.std() / len(squares) ** 0.5 < 0.02 * squares.mean()
    assert squares.mean().item() == pytest.approx(1 / (3 * fan_in), rel=0.08)


def test_the_fan_in_may_be_smaller_than_the_padded_size():
    """Padded columns see zeros, so it is the real size that counts."""
    a, b = (mpo.initial_cores((4, 4), (4, 4), 2, f, torch.Generator().manual_seed(0))[0].abs().max() for f in (16, 4))
    # two cores: each carries the square root of the variance ratio 4, its bound the fourth root
    assert (b / a).item() == pytest.approx(4**0.25, rel=1e-6)


def test_initial_cores_depend_on_the_generator_alone():
    def draw(seed):
        return mpo.initial_cores((2, 2), (2, 2), 2, 4, torch.Generator().manual_seed(seed))

    first = draw(1)
    torch.manual_seed(99)
    assert all(torch.equal(a, b) for a, b in zip(first, draw(1), strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, draw(2), strict=True))
    assert all(c.dtype == torch.float32 for c in first)
