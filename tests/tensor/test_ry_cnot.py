"""The probabilities of RY layers and CNOT chains against the dense reference."""

import numpy as np
import pytest
import torch

from qft.quantum import reference
from qft.quantum.circuit import Circuit, Gate
from qft.tensor.ry_cnot import probabilities


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_probabilities_are_those_of_the_gates(n):
    angles = torch.randn(2, 3, n, dtype=torch.float64, generator=torch.Generator().manual_seed(n))
    for each, got in zip(angles, probabilities(angles)):
        gates = []
        for layer in each:
            gates += [Gate("RY", (q,), layer[q].item()) for q in range(n)]
            gates += [Gate("CNOT", (q, q + 1)) for q in range(n - 1)]
        state = reference.state(Circuit(n, tuple(gates)), np.array([]), np.array([])).reshape(-1)
        np.testing.assert_allclose(got, np.abs(state) ** 2, rtol=0, atol=1e-14)


def test_gradients_are_those_of_finite_differences():
    angles = torch.randn(2, 3, dtype=torch.float64, requires_grad=True, generator=torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(probabilities, angles)


def test_circuits_with_equal_angles_have_equal_bits():
    angles = torch.randn(8, 7, generator=torch.Generator().manual_seed(1))
    first, second = probabilities(torch.stack([angles, angles]))
    assert torch.equal(first, second)
