"""Any circuit as alternating layers: one-qubit gates on every qubit, then a diagonal.

    |psi> = D_n L_n ... D_1 L_1 D_0 L_0 |0...0>
    L_k = tensor product over qubits of 2x2 matrices,  D_k = exp(-i sum_g angle_g lambda_g), lambda_g (2^r,)

RZ, CZ and CRZ are diagonal, CNOT is H CZ H on its target, and an encoding rotation is diagonal between two
fixed changes of basis: RY(z) = V exp(-i z Z/2) V^+ with the eigenvectors of Y in V, RX(z) the same with H.
So everything that depends on the data is a phase, and everything else is fixed for a step. A gate slides
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
def layers(circuit: Circuit) -> list[Layer]:
    """The layers of ``circuit``. The fixed diagonal of the last one is dropped: <Z> does not see it."""
    r = circuit.qubits
    bits = (np.arange(2**r) >> np.arange(r)[::-1, None]) & 1  # qubit 0 is the slowest index
    out: list[Layer] = []
    local_at, diagonal_at = [0] * r, [0] * r  # the earliest layer still open to each qubit

    def layer(k: int) -> Layer:
        while len(out) <= k:
            out.append(Layer([[] for _ in range(r)]))
        return out[k]

    def add_local(qubit: int, factor: str | tuple[str, Angle]) -> None:
        k = local_at[qubit]
        layer(k).local[qubit].append(factor)
        diagonal_at[qubit] = k

    def diagonal(qubits: tuple[int, ...]) -> Layer:
        k = max(diagonal_at[q] for q in qubits)
        for q in qubits:
            diagonal_at[q], local_at[q] = k, k + 1
        return layer(k)

    def add(gate: Gate) -> None:
        target, angle = gate.qubits[-1], gate.angle
        match gate.name:
            case "CNOT":
                add_local(target, "H")
                diagonal(gate.qubits).fixed.append((np.pi, bits[list(gate.qubits)].prod(0)))
                add_local(target, "H")
            case "CZ":
                diagonal(gate.qubits).fixed.append((np.pi, bits[list(gate.qubits)].prod(0)))
            case "H" | "X":
                add_local(target, gate.name)
            case "RX" | "RY" | "RZ" if not isinstance(angle, Input):
                assert angle is not None
                add_local(target, (gate.name, angle))
            case _:
                before, after = _TO_Z.get(gate.name, (None, None))
                if before:
                    add_local(target, before)
                generator = (0.5 - bits[target]) * (bits[gate.qubits[0]] if gate.name == "CRZ" else 1)
                if isinstance(angle, Input):
                    diagonal(gate.qubits).upload.append((angle.index, generator))
                else:
                    assert angle is not None
                    diagonal(gate.qubits).fixed.append((angle, generator))
                if after:
                    add_local(target, after)

    for gate in circuit.gates:
        add(gate)
    layer(0)
    out[-1].fixed = []
    return out
