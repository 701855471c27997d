"""The second compound against its minors."""

from itertools import combinations

import pytest
import torch

from qft.tensor.compound import block_diagonal, second_compound, second_compound_rows
from qft.tensor.orthogonal import cayley


@pytest.mark.parametrize("n", [2, 3, 5])
def test_it_is_the_matrix_of_two_by_two_minors(n):
    generator = torch.Generator().manual_seed(n)
    a = cayley(torch.randn(2, n * (n - 1) // 2, dtype=torch.float64, generator=generator), n)
    pairs = list(combinations(range(n), 2))
    x = torch.randn(2, 4, len(pairs), dtype=torch.float64, generator=generator)
    for block, rows, got in zip(a, x, second_compound_rows(x, a), strict=True):
        minors = torch.stack(
            [torch.stack([torch.linalg.det(block[list(s)][:, list(t)]) for t in pairs]) for s in pairs]
        )
        torch.testing.assert_close(got, rows @ minors.T, rtol=0, atol=1e-12)
        torch.testing.assert_close(second_compound(block), minors, rtol=0, atol=1e-12)


def test_matrices_stand_on_the_diagonal_and_ones_on_what_is_left():
    a, b = torch.randn(3, 2, 2), torch.randn(3, 1, 1)
    expected = torch.stack([torch.block_diag(x, y, torch.eye(2)) for x, y in zip(a, b, strict=True)])
    torch.testing.assert_close(block_diagonal([a, b], 5), expected, rtol=0, atol=0)
