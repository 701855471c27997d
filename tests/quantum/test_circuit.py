import dataclasses

import pytest

from qft.quantum.circuit import Circuit, Gate, Input, Weight


@pytest.mark.parametrize(
    "arguments, reason",
    [
        (("RW", (0,), 1.0), "unknown gate RW; known: RX"),
        (("RX", (0, 1), 1.0), "1 different"),
        (("CRZ", (0,), 1.0), "2 different"),
        (("CNOT", (1, 1)), "2 different"),
        (("RY", (0,)), "needs an angle"),
        (("H", (0,), 0.0), "takes no angle"),
    ],
)
def test_a_gate_that_makes_no_sense_is_refused(arguments, reason):
    with pytest.raises(ValueError, match=reason):
        Gate(*arguments)


@pytest.mark.parametrize("qubits", [(2,), (-1,)])
def test_gates_lie_inside_the_circuit(qubits):
    with pytest.raises(ValueError, match="outside 2 qubits"):
        Circuit(2, (Gate("H", qubits),))


def test_inputs_and_weights_are_counted_by_their_highest_index():
    gates = (Gate("RY", (0,), Input(2)), Gate("RX", (0,), Weight(4)), Gate("RZ", (1,), Weight(0)), Gate("H", (0,)))
    assert (Circuit(2, gates).num_inputs, Circuit(2, gates).num_weights) == (3, 5)
    assert (Circuit(2, gates[3:]).num_inputs, Circuit(2, gates[3:]).num_weights) == (0, 0)


def test_a_circuit_is_a_frozen_value():
    one, same = (Circuit(1, (Gate("RX", (0,), 0.5),)) for _ in range(2))
    assert one == same and hash(one) == hash(same)
    assert one != Circuit(1, (Gate("RX", (0,), 0.25),))
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.qubits = 2
