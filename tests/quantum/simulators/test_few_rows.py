"""Read-outs for a few rows against those for many."""

import pytest
import torch

from qft.quantum import ansatz
from qft.quantum.backends.statevector import Statevector
from qft.quantum.circuit import Circuit, Gate, Input, Weight

ENCODED_LAST = Circuit(1, (Gate("RY", (0,), Weight(0)), Gate("RX", (0,), Input(0))))
PHASE_LAST = Circuit(1, (Gate("RY", (0,), Weight(0)), Gate("RZ", (0,), Input(0))))
CIRCUITS = {
    **{f"qwthn, {r} qubits": ansatz.qwthn(r) for r in (1, 2, 4, 5, 6)},
    "qtha": ansatz.qtha(4, 4),
    "qtha, one upload": ansatz.qtha(3, 2, encode="once"),
    "qtha, rings last": ansatz.qtha(6, 2, order="ry_first"),
    "an encoding at the end": ENCODED_LAST,
    "a phase at the end": PHASE_LAST,
}


@pytest.mark.parametrize("kernel", [None, False], ids=["compiled", "torch"])
@pytest.mark.parametrize("name", CIRCUITS)
def test_a_few_rows_give_what_many_give(name, kernel):
    circuit = CIRCUITS[name]
    generator = torch.Generator().manual_seed(1)
    weights = 3 * torch.randn(circuit.num_weights, dtype=torch.float64, generator=generator)
    z = 3 * torch.randn(circuit.num_inputs, 7, dtype=torch.float64, generator=generator)
    backend, before = Statevector(kernel), z.clone()
    few = backend.bind_few(circuit, weights)
    with torch.no_grad():
        torch.testing.assert_close(few(z), backend.bind(circuit, weights)(z), rtol=0, atol=1e-12)
        apart = torch.stack([few(z[:, k : k + 1]) for k in range(7)], 1).squeeze(2)  # rows that are no rows of memory
        torch.testing.assert_close(few(z.T.contiguous().T), apart, rtol=0, atol=1e-12)
    assert torch.equal(z, before)
    assert backend.evaluations == 4 * 7


def test_wide_circuits_have_no_such_read_out():
    circuit = ansatz.qwthn(7)
    assert Statevector(kernel=False).bind_few(circuit, torch.zeros(circuit.num_weights)) is None
