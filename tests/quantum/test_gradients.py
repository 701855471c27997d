"""The parameter-shift rule against autograd on the exact backend: 1e-8, and how many circuits it takes."""

import pytest
import torch

from qft.quantum import ansatz, gradients
from qft.quantum.backends.noisy import Noisy
from qft.quantum.backends.statevector import Statevector
from qft.quantum.circuit import Circuit, Gate, Input, Weight

CIRCUITS = {
    "qwthn": ansatz.qwthn(4, 2),
    "qtha": ansatz.qtha(3, 2),
    "shared": Circuit(  # one input and one weight at several gates of both kinds
        2,
        (
            Gate("RX", (0,), Input(1)),
            Gate("RY", (1,), Weight(1)),
            Gate("CRZ", (0, 1), Weight(1)),
            Gate("RX", (1,), Input(0)),
            Gate("CRZ", (1, 0), Input(1)),
            Gate("RZ", (0,), Weight(0)),
            Gate("RY", (0,), 0.4),
            Gate("RX", (0,), Weight(1)),
            Gate("H", (1,)),
        ),
    ),
}


def case(circuit, rows=3):
    z = torch.randn(circuit.num_inputs, rows, dtype=torch.float64, requires_grad=True)
    w = torch.randn(circuit.num_weights, dtype=torch.float64, requires_grad=True)
    return z, w, torch.randn(circuit.qubits, rows, dtype=torch.float64)


@pytest.mark.parametrize("backend", [Statevector(), Noisy({"p1": 0.01, "p2": 0.1, "t1": 3.0})], ids=["exact", "noisy"])
@pytest.mark.parametrize("name", CIRCUITS)
def test_it_equals_autograd(name, backend):
    circuit = CIRCUITS[name]
    z, w, upstream = case(circuit)
    expected = torch.autograd.grad(backend.bind(circuit, w)(z), (z, w), upstream)
    values = gradients.by_shift(circuit, w, backend.bind)(z)
    for mine, theirs in zip(torch.autograd.grad(values, (z, w), upstream), expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-8)


def test_second_derivatives_are_right():
    circuit = CIRCUITS["shared"]
    z, w, _ = case(circuit, rows=2)
    assert torch.autograd.gradgradcheck(
        lambda z, w: gradients.by_shift(circuit, w, Statevector().bind)(z), (z, w), fast_mode=True
    )


def test_only_the_gradients_asked_for_are_run():
    circuit = ansatz.qwthn(3)  # 3 RY of inputs; 3 CRZ and 3 RY of weights
    for wanted, circuits in (("z", 3 * 2), ("w", 3 * 4 + 3 * 2), ("zw", 3 * 2 + 3 * 4 + 3 * 2)):
        z, w, upstream = case(circuit, rows=5)
        z.requires_grad_("z" in wanted)
        w.requires_grad_("w" in wanted)
        backend = Statevector()
        values = gradients.by_shift(circuit, w, backend.bind)(z)
        assert backend.evaluations == 5
        values.backward(upstream)
        assert backend.evaluations == 5 + 5 * circuits
        assert (z.grad is not None) == ("z" in wanted) and (w.grad is not None) == ("w" in wanted)


def test_every_occurrence_gets_an_angle_of_its_own():
    apart = gradients.unshare(CIRCUITS["shared"])
    assert apart.inputs == [0, 1, 1] and apart.weights == [0, 1, 1, 1]
    assert apart.circuit.num_inputs == 3 and apart.circuit.num_weights == 4
    assert gradients.unshare(ansatz.qwthn(4)).circuit == ansatz.qwthn(4)
