"""Tensor trains against einsum over all cores at once."""

import numpy as np
import pytest
import torch

from qft.tensor import tt


@pytest.mark.parametrize("axes, bond, first, last", [((4, 3, 2), 2, 1, 1), ((5,), 3, 1, 3), ((2, 3, 4, 2), 3, 3, 1)])
def test_the_contraction_is_the_sum_over_all_bonds(axes, bond, first, last):
    generator = torch.Generator().manual_seed(3)
    cores = [torch.randn(s, dtype=torch.float64, generator=generator) for s in tt.core_shapes(axes, bond, first, last)]
    assert sum(c.numel() for c in cores) == tt.num_parameters(axes, bond, first, last)
    bonds, places = "abcde"[: len(axes) + 1], "ijkl"[: len(axes)]
    terms = ",".join(bonds[k] + places[k] + bonds[k + 1] for k in range(len(axes)))
    expected = np.einsum(f"{terms}->{bonds[0]}{places}{bonds[-1]}", *(c.numpy() for c in cores))
    got = tt.contract(cores)
    np.testing.assert_allclose(got.numpy(), expected.reshape(first, -1, last), rtol=0, atol=1e-12)
