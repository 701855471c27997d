"""Cayley blocks and butterflies against their definitions, written out."""

import math

import pytest
import torch

from qft.tensor.orthogonal import Butterfly, butterfly_blocks, butterfly_rows, cayley, skew


@pytest.mark.parametrize("size", [2, 3, 4, 8])
def test_cayley_is_the_formula_orthogonal_and_of_determinant_one(size):
    entries = torch.randn(5, size * (size - 1) // 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    blocks = cayley(entries, size)
    for block, numbers in zip(blocks, entries, strict=True):
        a = torch.zeros(size, size, dtype=torch.float64)
        a[tuple(torch.triu_indices(size, size, 1))] = numbers
        a = a - a.T
        one = torch.eye(size, dtype=torch.float64)
        torch.testing.assert_close(block, torch.linalg.inv(one + a / 2) @ (one - a / 2), rtol=0, atol=1e-12)
    torch.testing.assert_close(blocks @ blocks.mT, torch.eye(size, dtype=torch.float64).expand_as(blocks))
    torch.testing.assert_close(torch.linalg.det(blocks), torch.ones(5, dtype=torch.float64))
    assert torch.equal(cayley(torch.zeros_like(entries), size)[0], torch.eye(size, dtype=torch.float64))


def test_cayley_of_two_is_a_rotation_by_twice_the_arc_tangent():
    block = cayley(torch.tensor([0.6], dtype=torch.float64), 2)
    angle = 2 * math.atan(0.3)
    expected = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    torch.testing.assert_close(block, torch.tensor(expected, dtype=torch.float64))


def test_skew_follows_torch_func():
    entries = torch.randn(4, 6, dtype=torch.float64)
    assert torch.equal(torch.func.vmap(lambda e: skew(e, 4))(entries), skew(entries, 4))


def by_pairs(angles, plan):
    """The butterfly pair by pair, as a dense matrix."""
    q, place = torch.eye(plan.n, dtype=angles.dtype), 0
    for stage in range(plan.stages):
        j = stage % math.ceil(math.log2(plan.n))
        for i in range(plan.n):
            if not i >> j & 1 and i + 2**j < plan.n:
                g, k = torch.eye(plan.n, dtype=angles.dtype), i + 2**j
                g[i, i] = g[k, k] = angles[place].cos()
                g[i, k], g[k, i] = -angles[place].sin(), angles[place].sin()
                q, place = g @ q, place + 1
    assert place == len(angles) == sum(plan.counts)
    return q


@pytest.mark.parametrize("n, stages", [(2, 1), (3, 2), (7, 3), (8, 3), (13, 4), (16, 2), (28, 5), (28, 9), (5, 1)])
def test_a_butterfly_is_its_rotations(n, stages):
    plan = Butterfly(n, stages)
    generator = torch.Generator().manual_seed(n)
    angles = torch.randn(sum(plan.counts), dtype=torch.float64, generator=generator, requires_grad=True)
    x = torch.randn(4, n, dtype=torch.float64, generator=generator)
    got = butterfly_rows(x, butterfly_blocks(angles, plan))
    dense = by_pairs(angles, plan)
    torch.testing.assert_close(got, x @ dense.T, rtol=0, atol=1e-12)
    weights = torch.randn(4, n, dtype=torch.float64, generator=generator)
    (fast,) = torch.autograd.grad((got * weights).sum(), angles)
    (slow,) = torch.autograd.grad((x @ dense.T * weights).sum(), angles)
    torch.testing.assert_close(fast, slow, rtol=0, atol=1e-12)


@pytest.mark.parametrize("n, full", [(3584, 20736), (512, 2304), (224, 848), (32, 80)])
def test_full_butterflies_have_the_counts_of_their_pairs(n, full):
    plan = Butterfly(n, (n - 1).bit_length())
    assert sum(plan.counts) == full


def test_all_angles_zero_are_the_identity_bit_for_bit():
    plan, x = Butterfly(13, 6), torch.randn(3, 13)
    assert torch.equal(butterfly_rows(x, butterfly_blocks(torch.zeros(sum(plan.counts)), plan)), x)
