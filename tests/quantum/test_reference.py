"""The oracle against what is known on paper; 1e-14 is a few roundings of numbers up to 1."""

import numpy as np
import pytest
import torch
from plain import expectation_z as plain_expectation_z

from qft.quantum import ansatz, reference
from qft.quantum.circuit import GATES, Circuit, Gate, Input, Weight

NONE = np.zeros(0)
PAULI = {
    "RX": np.array([[0, 1], [1, 0]]),
    "RY": np.array([[0, -1j], [1j, 0]]),
    "RZ": np.array([[1, 0], [0, -1]]),
}


def close(a, b):
    np.testing.assert_allclose(a, b, rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", GATES)
def test_gates_are_unitary(name):
    for angle in (0.0, 0.7, -2.0, 5.0):
        u = reference.gate_matrix(name, angle)
        assert u.shape == (2 ** GATES[name][0],) * 2
        close(u @ u.conj().T, np.eye(len(u)))


@pytest.mark.parametrize("angle", [0.7, -2.0, 5.0])
def test_rotations_are_exponentials_of_their_pauli(angle):
    for name, pauli in PAULI.items():
        expected = np.cos(angle / 2) * np.eye(2) - 1j * np.sin(angle / 2) * pauli
        close(reference.gate_matrix(name, angle), expected)
    crz = reference.gate_matrix("CRZ", angle)
    close(crz[:2, :2], np.eye(2))
    close(crz[2:, 2:], reference.gate_matrix("RZ", angle))
    close(np.abs(crz[:2, 2:]), np.zeros((2, 2)))


def test_ry_of_z_gives_cos_z():
    circuit = Circuit(1, (Gate("RY", (0,), Input(0)),))
    for z in (0.0, 0.3, 2.0, -4.0):
        close(reference.expectation_z(circuit, np.array([z]), NONE), [np.cos(z)])
        close(reference.state(circuit, np.array([z]), NONE), [np.cos(z / 2), np.sin(z / 2)])


def test_bell_state():
    circuit = Circuit(2, (Gate("H", (0,)), Gate("CNOT", (0, 1))))
    close(reference.state(circuit, NONE, NONE), np.eye(2) / np.sqrt(2))
    close(reference.expectation_z(circuit, NONE, NONE), [0, 0])


def test_qubit_0_is_the_first_tensor_factor_and_control_comes_first():
    flipped = Circuit(3, (Gate("X", (0,)), Gate("CNOT", (0, 2))))
    expected = np.zeros((2, 2, 2))
    expected[1, 0, 1] = 1
    close(reference.state(flipped, NONE, NONE), expected)
    close(reference.expectation_z(flipped, NONE, NONE), [-1, 1, -1])
    idle = Circuit(3, (Gate("X", (0,)), Gate("CNOT", (2, 0))))
    close(reference.expectation_z(idle, NONE, NONE), [-1, 1, 1])


def test_crz_turns_the_target_only_when_the_control_is_set():
    """H, phase, H on the target: <Z> becomes cos of the angle if the control is 1."""
    for angle in (0.4, -1.3):
        middle = (Gate("H", (1,)), Gate("CRZ", (0, 1), Weight(0)), Gate("H", (1,)))
        weights = np.array([angle])
        close(reference.expectation_z(Circuit(2, middle), NONE, weights), [1, 1])
        on = Circuit(2, (Gate("X", (0,)), *middle))
        close(reference.expectation_z(on, NONE, weights), [-1, np.cos(angle)])


def test_the_plain_torch_state_vector_of_these_tests_agrees():
    circuit = ansatz.qwthn(4, 2)
    z, w = torch.randn(4, dtype=torch.float64), torch.randn(16, dtype=torch.float64)
    close(plain_expectation_z(circuit, z, w).numpy(), reference.expectation_z(circuit, z.numpy(), w.numpy()))
