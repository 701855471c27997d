"""The batched state vector against the dense reference: 1e-10 in float64, some 1e5 roundings of 1e-16."""

import pytest
import torch
from plain import check_by_shift, dense, expectation_z, random_circuit

from qft.quantum import ansatz
from qft.quantum.backends.statevector import Statevector
from qft.quantum.circuit import Circuit, Gate, Weight
from qft.quantum.simulators import adjoint, multilinear, statevector

TOLERANCE = 1e-10


CIRCUITS = {f"qtha-{r}-{n}": ansatz.qtha(r, n) for r, n in [(1, 1), (1, 3), (2, 2), (3, 3), (4, 2), (5, 1)]}
CIRCUITS |= {f"qtha-{r}-ry": ansatz.qtha(r, 2, order="ry_first") for r in (2, 4)}
CIRCUITS |= {"qtha-3-plain": ansatz.qtha(3, 2, entangle=False), "qtha-3-once": ansatz.qtha(3, 2, encode="once")}
CIRCUITS |= {"qwthn-4": ansatz.qwthn(4, 2)}
CIRCUITS |= {f"random-{r}-{s}": random_circuit(r, s) for r in range(1, 5) for s in range(4)}


@pytest.fixture(params=["dense", "by-layer"])
def way(request, monkeypatch):
    """Both ways of applying fixed gates, in chunks of 16 rows."""
    monkeypatch.setattr(statevector, "DENSE_QUBITS", 10 if request.param == "dense" else 0)
    monkeypatch.setattr(statevector, "GROUP", 2)
    monkeypatch.setitem(adjoint.AT_ONCE, "cpu", 16)


def angles(circuit: Circuit, rows: int, dtype=torch.float64):
    z = torch.randn(circuit.num_inputs, rows, dtype=torch.float64).mul(2).to(dtype)
    w = torch.rand(circuit.num_weights, dtype=torch.float64).sub(0.5).mul(6.2).to(dtype)
    return z.requires_grad_(), w.requires_grad_()


@pytest.mark.parametrize("circuit", CIRCUITS.values(), ids=CIRCUITS)
def test_values_equal_the_dense_reference(circuit, way):
    z, w = angles(circuit, rows=18)
    out = statevector.bind(circuit, w)(z)
    assert out.dtype == torch.float64
    torch.testing.assert_close(out.detach(), dense(circuit, z, w), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("name", [n for n in CIRCUITS if "random" not in n])
def test_gradients_equal_the_shift_rules_of_the_dense_reference(name, way):
    circuit = CIRCUITS[name]
    z, w = angles(circuit, rows=2)
    out = statevector.bind(circuit, w)(z)
    check_by_shift(circuit, z, w, out, TOLERANCE)


@pytest.mark.parametrize("circuit", CIRCUITS.values(), ids=CIRCUITS)
def test_gradcheck(circuit, way):
    z, w = angles(circuit, rows=3)
    assert torch.autograd.gradcheck(lambda z, w: statevector.bind(circuit, w)(z), (z, w))


@pytest.mark.parametrize("name", ["qtha-2-2", "random-3-1"])
def test_second_derivatives_are_right(name, way):
    circuit = CIRCUITS[name]
    z, w = angles(circuit, rows=9)
    assert torch.autograd.gradgradcheck(lambda z, w: statevector.bind(circuit, w)(z), (z, w), fast_mode=True)


def test_gradients_summed_over_chunks(monkeypatch):
    circuit = ansatz.qtha(3, 2)
    z, w = angles(circuit, rows=50)
    upstream = torch.randn(3, 50, dtype=torch.float64)
    whole = torch.autograd.grad(statevector.bind(circuit, w)(z), (z, w), upstream)
    monkeypatch.setitem(adjoint.AT_ONCE, "cpu", 1)
    for a, b in zip(torch.autograd.grad(statevector.bind(circuit, w)(z), (z, w), upstream), whole, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


@pytest.mark.parametrize("qubits, layers", [(8, 2), (10, 1)])
def test_many_qubits(qubits, layers):
    circuit = ansatz.qtha(qubits, layers)
    z, w = angles(circuit, rows=2)
    out = statevector.bind(circuit, w)(z)
    torch.testing.assert_close(out.detach(), dense(circuit, z, w), rtol=0, atol=TOLERANCE)
    if qubits == 8:
        upstream = torch.randn(out.shape, dtype=torch.float64)
        plain = torch.stack([expectation_z(circuit, x, w) for x in z.T], 1)
        expected = torch.autograd.grad(plain, (z, w), upstream)
        for a, b in zip(torch.autograd.grad(out, (z, w), upstream), expected, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("name", ["qtha-4-2", "qtha-3-3", "random-4-0"])
def test_float32_is_float64_to_rounding(name, way):
    """Some hundred products of numbers up to 1 with 6e-8 each: 1e-5 is ample, half precision fails."""
    circuit = CIRCUITS[name]
    z, w = angles(circuit, rows=20, dtype=torch.float32)
    upstream = torch.randn(circuit.qubits, 20)
    out = statevector.bind(circuit, w)(z)
    assert out.dtype == torch.float32
    torch.testing.assert_close(out.detach().double(), dense(circuit, z.double(), w.double()), rtol=0, atol=1e-5)
    grads = torch.autograd.grad(out, (z, w), upstream)
    z64, w64 = z.detach().double().requires_grad_(), w.detach().double().requires_grad_()
    exact = torch.autograd.grad(statevector.bind(circuit, w64)(z64), (z64, w64), upstream.double())
    for a, b in zip(grads, exact, strict=True):
        assert a.dtype == torch.float32
        torch.testing.assert_close(a.double(), b, rtol=0, atol=1e-5 * max(1, b.abs().max().item()))


def test_only_inputs_and_matrices_are_kept_for_the_backward():
    """Depth does not add memory that grows with the rows."""

    def kept(layers):
        circuit = ansatz.qtha(4, layers)
        z, w = angles(circuit, rows=5000)
        sizes = []
        read = statevector.bind(circuit, w)
        with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.numel()) or t, lambda t: t):
            read(z)
        return sum(n for n in sizes if n >= 5000)

    assert kept(1) == kept(8) == 4 * 5000


def test_only_the_gradients_asked_for_are_needed():
    circuit = ansatz.qtha(3, 2)
    z, w = angles(circuit, rows=2)
    both = torch.autograd.grad(statevector.bind(circuit, w)(z).sum(), (z, w))
    (only_z,) = torch.autograd.grad(statevector.bind(circuit, w.detach())(z).sum(), z)
    (only_w,) = torch.autograd.grad(statevector.bind(circuit, w)(z.detach()).sum(), w)
    assert torch.equal(only_z, both[0]) and torch.equal(only_w, both[1])


def test_what_cannot_be_evaluated_is_refused():
    with pytest.raises(ValueError, match="11 qubits; the state vector is for at most 10"):
        statevector.bind(ansatz.qtha(11, 1), torch.zeros(44))
    with pytest.raises(ValueError, match="no input"):
        statevector.bind(Circuit(1, (Gate("RY", (0,), Weight(0)),)), torch.zeros(1))


@pytest.mark.parametrize(
    "circuit, polynomial",
    [
        (ansatz.qwthn(4), True),
        (ansatz.qtha(4, 2, encode="once"), True),
        (ansatz.qwthn(9), False),
        (ansatz.qtha(2, 2), False),
    ],
)
def test_the_backend_takes_the_polynomial_where_it_can(circuit, polynomial, monkeypatch):
    used = []
    monkeypatch.setattr(multilinear, "evaluate", lambda c, z: used.append("polynomial"))
    monkeypatch.setattr(statevector, "bind", lambda circuit, w: lambda z: used.append("amplitudes"))
    Statevector(kernel=False).bind(circuit, torch.zeros(circuit.num_weights))(torch.zeros(circuit.qubits, 3))
    assert used == ["polynomial" if polynomial else "amplitudes"]


def test_both_ways_of_the_backend_agree():
    circuit = ansatz.qwthn(5, 2)
    z, w = angles(circuit, rows=30)
    polynomial = Statevector().bind(circuit, w)(z)
    torch.testing.assert_close(statevector.bind(circuit, w)(z), polynomial, rtol=0, atol=TOLERANCE)
