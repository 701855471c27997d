"""Any circuit as alternating layers: one-qubit gates on every qubit, then a diagonal.

    |psi> = D_n L_n ... D_1 L_1 D_0 L_0 |0...0>
    L_k = tensor product over qubits of 2x2 matrices,  D_k = exp(-i sum_g angle_g lambda_g), lambda_g (2^r,)

RZ, CZ and CRZ are diagonal, CNOT is H CZ H on its target, and an encoding rotation is diagonal between two
fixed changes of basis: RY(z) = V exp(-i z Z/2) V^+ with the eigenvectors of Y in V, RX(z) the same with H.
So everything that depends on the data is a phase, and everything else is fixed for a step. A gate moves
to the earliest layer its qubits allow. Data and numpy only; ``statevector.py`` evaluates it.
"""

from dataclasses import dataclass, field
from functools import cache

import numpy as np

from qft.quantum.circuit import Circuit, Gate, Input, Weight
from qft.quantum.reference import gate_matrix

# fixed 2x2 matrices a local layer may hold, by name; V has the eigenvectors of Y as columns
FIXED = {
    "H": gate_matrix("H"),
    "X": gate_matrix("X"),
    "V": np.array([[1, 1], [1j, -1j]]) / np.sqrt(2),
    "V+": np.array([[1, -1j], [1, 1j]]) / np.sqrt(2),
}
_TO_Z = {"RX": ("H", "H"), "RY": ("V+", "V")}  # basis change before and after, in the order applied

Angle = Weight | float


@dataclass
class Layer:
    """Local factors of each qubit in the order applied, then the terms of the diagonal."""

    local: list[list[str | tuple[str, Angle]]]  # a name of FIXED, or a rotation and its angle
    fixed: list[tuple[Angle, np.ndarray]] = field(default_factory=list)
    upload: list[tuple[int, np.ndarray]] = field(default_factory=list)  # (input, lambda)


@cache
def unitary_layers(circuit: Circuit) -> list[Layer]:
    """The layers of ``circuit``. The fixed diagonal of the last one is dropped: <Z> does not see it."""
    builder = _Builder(circuit.qubits)
    for gate in circuit.gates:
        builder.add(gate)
    out = builder.layers
    out[-1].fixed = []
    return out


class _Builder:
    """Adds gates to the earliest layer their qubits allow."""

    def __init__(self, qubits: int) -> None:
        self.layers: list[Layer] = []
        self._qubits = qubits
        self._bits = (np.arange(2**qubits) >> np.arange(qubits)[::-1, None]) & 1  # qubit 0 is the slowest index
        self._local_at, self._diagonal_at = [0] * qubits, [0] * qubits  # the earliest layer still open to each qubit
        self._layer(0)

    def add(self, gate: Gate) -> None:
        target, angle = gate.qubits[-1], gate.angle
        match gate.name:
            case "CNOT":
                self._add_local(target, "H")
                self._add_flip(gate.qubits)
                self._add_local(target, "H")
            case "CZ":
                self._add_flip(gate.qubits)
            case "H" | "X":
                self._add_local(target, gate.name)
            case "RX" | "RY" | "RZ" if not isinstance(angle, Input):
                assert angle is not None
                self._add_local(target, (gate.name, angle))
            case _:
                self._add_phase(gate)

    def _add_phase(self, gate: Gate) -> None:
        """A rotation by an input, or a CRZ: diagonal between changes of basis."""
        target, angle = gate.qubits[-1], gate.angle
        before, after = _TO_Z.get(gate.name, (None, None))
        if before:
            self._add_local(target, before)
        generator = (0.5 - self._bits[target]) * (self._bits[gate.qubits[0]] if gate.name == "CRZ" else 1)
        if isinstance(angle, Input):
            self._diagonal(gate.qubits).upload.append((angle.index, generator))
        else:
            assert angle is not None
            self._diagonal(gate.qubits).fixed.append((angle, generator))
        if after:
            self._add_local(target, after)

    def _add_flip(self, qubits: tuple[int, ...]) -> None:
        """-1 where both qubits are 1."""
        self._diagonal(qubits).fixed.append((np.pi, self._bits[list(qubits)].prod(0)))

    def _add_local(self, qubit: int, factor: str | tuple[str, Angle]) -> None:
        k = self._local_at[qubit]
        self._layer(k).local[qubit].append(factor)
        self._diagonal_at[qubit] = k

    def _diagonal(self, qubits: tuple[int, ...]) -> Layer:
        k = max(self._diagonal_at[q] for q in qubits)
        for q in qubits:
            self._diagonal_at[q], self._local_at[q] = k, k + 1
        return self._layer(k)

    def _layer(self, k: int) -> Layer:
        while len(self.layers) <= k:
            self.layers.append(Layer([[] for _ in range(self._qubits)]))
        return self.layers[k]
