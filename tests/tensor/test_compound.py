"""The second compound against its minors."""

from itertools import combinations

import pytest
import torch

from qft.tensor.compound import second_compound_rows
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
