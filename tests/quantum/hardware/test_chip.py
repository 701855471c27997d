"""The chip's basis: exact against the dense reference, one U3 between two CZ, texts read back by pyqpanda3."""

import numpy as np
import pytest
from plain import u3

from qft.quantum import ansatz, export, reference
from qft.quantum.circuit import Circuit, Gate, Input
from qft.quantum.hardware.chip import CZ, bound, to_chip, u3_angles

CIRCUITS = {
    "qwthn": ansatz.qwthn(4, 2),
    "qtha": ansatz.qtha(3, 2),
    "every gate": Circuit(
        2,
        (
            Gate("H", (0,)),
            Gate("RX", (0,), Input(0)),
            Gate("X", (1,)),
            Gate("RZ", (1,), Input(1)),
            Gate("CNOT", (0, 1)),
            Gate("CRZ", (1, 0), 0.7),
            Gate("CZ", (0, 1)),
            Gate("RY", (1,), -1.1),
        ),
    ),
}


def run(qubits, ops):
    psi = np.zeros((2,) * qubits, dtype=complex)
    psi[(0,) * qubits] = 1
    for op in ops:
        if isinstance(op, CZ):
            u, where = np.diag([1, 1, 1, -1]).reshape(2, 2, 2, 2), op.qubits
        else:
            u, where = u3(op.theta, op.phi, op.lam), (op.qubit,)
        m = len(where)
        psi = np.moveaxis(np.tensordot(u, psi, axes=(range(m, 2 * m), where)), range(m), where)
    return psi


def angles(circuit):
    draw = np.random.default_rng(0)
    return draw.uniform(-4, 4, circuit.num_inputs), draw.uniform(-4, 4, circuit.num_weights)


@pytest.mark.parametrize("name", CIRCUITS)
def test_it_is_the_same_state_up_to_a_phase(name):
    circuit = CIRCUITS[name]
    z, w = angles(circuit)
    mine = run(circuit.qubits, bound(to_chip(circuit), z, w)).ravel()
    expected = reference.state(circuit, z, w).ravel()
    assert abs(np.vdot(expected, mine)) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("matrix", [np.eye(2), np.diag([1, 1j]), reference.gate_matrix("X"), u3(np.pi, 0.3, 1.2)])
def test_u3_angles_at_the_poles(matrix):
    back = u3(*u3_angles(matrix))
    assert abs(np.trace(back.conj().T @ matrix)) == pytest.approx(2, abs=1e-12)


def test_one_u3_between_two_cz_of_a_qubit():
    for circuit in CIRCUITS.values():
        last = [None] * circuit.qubits
        for op in to_chip(circuit).ops:
            for q in op.qubits if isinstance(op, CZ) else (op.qubit,):
                assert isinstance(op, CZ) or not isinstance(last[q], type(op))
                last[q] = op


def test_a_crz_costs_two_cz():
    ops = to_chip(ansatz.qwthn(4)).ops
    assert sum(isinstance(op, CZ) for op in ops) == 2 * 4


def test_rounding_gives_equal_circuits_equal_texts():
    circuit = ansatz.qwthn(3)
    z, w = angles(circuit)
    a = export.originir(3, bound(to_chip(circuit), z, w, decimals=6), decimals=6)
    b = export.originir(3, bound(to_chip(circuit), z + 1e-10, w, decimals=6), decimals=6)
    assert a == b and "-0.000000," not in a


@pytest.mark.parametrize("name", CIRCUITS)
@pytest.mark.parametrize("form", ["originir", "qasm"])
def test_pyqpanda3_reads_both_texts_back_to_the_same_unitary(name, form):
    from pyqpanda3 import core
    from pyqpanda3.intermediate_compiler import convert_originir_string_to_qprog, convert_qasm_string_to_qprog

    circuit = CIRCUITS[name]
    z, w = angles(circuit)
    ops = bound(to_chip(circuit), z, w)
    read = convert_originir_string_to_qprog if form == "originir" else convert_qasm_string_to_qprog
    machine = core.CPUQVM()
    machine.run(read(getattr(export, form)(circuit.qubits, ops, measured=())), 1)
    theirs = np.array(machine.result().get_state_vector())
    # their qubit 0 is the least significant bit, ours the most
    mine = run(circuit.qubits, ops).transpose(range(circuit.qubits)[::-1]).ravel()
    assert abs(np.vdot(mine, theirs)) == pytest.approx(1, abs=1e-10)


@pytest.mark.parametrize("name", CIRCUITS)
def test_qiskit_reads_the_qasm_to_the_same_expectations(name):
    from qiskit import qasm2
    from qiskit.quantum_info import SparsePauliOp, Statevector

    circuit = CIRCUITS[name]
    z, w = angles(circuit)
    text = export.qasm(circuit.qubits, bound(to_chip(circuit), z, w), measured=())
    state = Statevector(qasm2.loads(text))
    r = circuit.qubits
    theirs = [state.expectation_value(SparsePauliOp.from_sparse_list([("Z", [q], 1)], r)).real for q in range(r)]
    np.testing.assert_allclose(theirs, reference.expectation_z(circuit, z, w), rtol=0, atol=1e-9)
