"""Dense numpy simulation, one circuit at a time: slow and obvious, what every test compares with.

|psi> = U_n ... U_1 |0...0>        <Z_k> = sum_b |psi_b|^2 (-1)^(b_k)        qubit 0 is the first tensor factor
"""

from math import cos, sin

import numpy as np

from qft.quantum.circuit import Circuit, Gate, Input, Weight

PAULIS = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])  # I, X, Y, Z
_FIXED: dict[str, np.ndarray] = {
    "H": np.array([[1, 1], [1, -1]], dtype=complex) / np.sqrt(2),
    "X": PAULIS[1],
    "CNOT": np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]], dtype=complex),
    "CZ": np.diag([1, 1, 1, -1]).astype(complex),
}


def gate_matrix(name: str, angle: float = 0.0) -> np.ndarray:
    """Unitary of a gate in its textbook definition, complex (2^m, 2^m), control first.

    Args:
        name: One of ``circuit.GATES``.
        angle: In radians; of no matter for a gate that takes none.

    Raises:
        ValueError: There is no such gate.
    """
    if name in _FIXED:
        return _FIXED[name]
    c, s = cos(angle / 2), sin(angle / 2)
    match name:
        case "RX":
            return np.array([[c, -1j * s], [-1j * s, c]])
        case "RY":
            return np.array([[c, -s], [s, c]], dtype=complex)
        case "RZ":
            return np.diag([c - 1j * s, c + 1j * s])
        case "CRZ":
            return np.diag([1, 1, c - 1j * s, c + 1j * s])
    raise ValueError(f"unknown gate {name}")


def _angle(gate: Gate, inputs: np.ndarray, weights: np.ndarray) -> float:
    match gate.angle:
        case Input(i):
            return float(inputs[i])
        case Weight(i):
            return float(weights[i])
        case None:
            return 0.0
        case value:
            return float(value)


def state(circuit: Circuit, inputs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Final state, complex (2,) * qubits, for inputs (num_inputs,) and weights (num_weights,)."""
    psi = np.zeros((2,) * circuit.qubits, dtype=complex)
    psi[(0,) * circuit.qubits] = 1.0
    for gate in circuit.gates:
        m = len(gate.qubits)
        u = gate_matrix(gate.name, _angle(gate, inputs, weights)).reshape((2,) * (2 * m))
        psi = np.tensordot(u, psi, axes=(range(m, 2 * m), gate.qubits))
        psi = np.moveaxis(psi, range(m), gate.qubits)
    return psi


def expectation_z(circuit: Circuit, inputs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """<Z_k> for every qubit k, float64 (qubits,)."""
    probability = np.abs(state(circuit, inputs, weights)) ** 2
    values = []
    for q in range(circuit.qubits):
        p = probability.sum(axis=tuple(a for a in range(circuit.qubits) if a != q))
        values.append(p[0] - p[1])
    return np.array(values)
