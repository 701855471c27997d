"""What every backend in qft/quantum/backends must do, found by the same walk the package uses."""

import numpy as np
import pytest
import torch
from plain import expectation_z

from qft.errors import QftError
from qft.quantum import ansatz, backends, reference

CASES = [(r, b) for r in (1, 2, 4) for b in (1, 2)]


def tolerance(backend) -> float:
    """Rounding of an exact backend in float64; five standard errors (at most 1/sqrt(shots)) of a sampled one."""
    shots = getattr(backend, "shots", None)
    return 1e-10 if shots is None else 5 / shots**0.5


@pytest.fixture(params=backends.names())
def backend(request):
    # a backend that needs something to run has a fixture NAME_options (tests/conftest.py)
    try:
        options = request.getfixturevalue(f"{request.param}_options")
    except pytest.FixtureLookupError:
        options = {}
    made = backends.load(request.param, **options)
    yield made
    made.close()


def test_the_walk_finds_the_backends():
    assert "statevector" in backends.names() and "base" not in backends.names()


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(QftError, match="Did you mean 'statevector'"):
        backends.load("state_vector")


def test_it_carries_its_name(backend, request):
    assert backend.name == request.node.callspec.params["backend"]


@pytest.mark.parametrize("qubits, blocks", CASES)
def test_expectations_equal_the_dense_reference(backend, qubits, blocks):
    circuit = ansatz.qwthn(qubits, blocks)
    z = torch.randn(qubits, 6, dtype=torch.float64) * 2
    w = torch.randn(circuit.num_weights, dtype=torch.float64)
    out = backend.bind(circuit, w)(z)
    expected = np.array([reference.expectation_z(circuit, x, w.numpy()) for x in z.numpy().T]).T
    assert out.shape == (qubits, 6) and out.dtype == torch.float64
    np.testing.assert_allclose(out.detach().numpy(), expected, rtol=0, atol=tolerance(backend))


def test_the_dtype_is_kept(backend):
    circuit = ansatz.qwthn(3)
    assert backend.bind(circuit, torch.randn(6))(torch.randn(3, 2)).dtype == torch.float32


def test_one_binding_serves_many_readings(backend):
    circuit = ansatz.qwthn(3)
    read = backend.bind(circuit, torch.randn(6, dtype=torch.float64))
    z = torch.randn(3, 8, dtype=torch.float64)
    together = read(z)
    apart = torch.cat([read(z[:, :3]), read(z[:, 3:])], 1)
    torch.testing.assert_close(together, apart, rtol=0, atol=2 * tolerance(backend))


def test_gradients_are_right_or_refused(backend):
    circuit = ansatz.qwthn(3, 2)
    z = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    w = torch.randn(12, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn(3, 4, dtype=torch.float64)
    if not backend.differentiable:
        with pytest.raises((QftError, RuntimeError)):
            torch.autograd.grad(backend.bind(circuit, w)(z), (z, w), upstream)
        return
    out = torch.autograd.grad(backend.bind(circuit, w)(z), (z, w), upstream)
    plain = torch.stack([expectation_z(circuit, x, w) for x in z.T], 1)
    for mine, expected in zip(out, torch.autograd.grad(plain, (z, w), upstream), strict=True):
        torch.testing.assert_close(mine, expected, rtol=0, atol=12 * tolerance(backend))


def test_evaluations_count_rows(backend):
    assert backend.evaluations == 0
    read = backend.bind(ansatz.qwthn(2), torch.randn(4))
    assert backend.evaluations == 0
    read(torch.randn(2, 5))
    read(torch.randn(2, 3))
    assert backend.evaluations == 8
