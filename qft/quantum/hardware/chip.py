"""A circuit in the chip's basis: U3 on single qubits and CZ. What noise, simulators and hardware all run.

    CRZ(c, t, a) = RZ(t, a/2) CNOT(c, t) RZ(t, -a/2) CNOT(c, t)      exact
    CNOT(c, t)   = H(t) CZ(c, t) H(t)

One-qubit gates between two CZ of a qubit are one U3. Its parts are stored, so that noise can be propagated and
differentiated through them; ``bound`` multiplies them out to the three angles that are sent.
"""

from cmath import phase
from collections.abc import Sequence
from dataclasses import dataclass
from math import atan2

import numpy as np

from qft.quantum.circuit import Angle, Circuit, Input, Weight
from qft.quantum.reference import gate_matrix


@dataclass(frozen=True)
class Part:
    """A one-qubit gate whose angle is ``factor`` times an input, a weight or a number (radians)."""

    name: str
    angle: Angle = None
    factor: float = 1.0


@dataclass(frozen=True)
class U3:
    """One pulse on one qubit: its parts in the order applied."""

    qubit: int
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class CZ:
    """Controlled Z on two qubits; symmetric."""

    qubits: tuple[int, int]


Op = U3 | CZ


@dataclass(frozen=True)
class ChipCircuit:
    """Operations in the order they are applied to |0...0>."""

    qubits: int
    ops: tuple[Op, ...]


@dataclass(frozen=True)
class BoundU3:
    """U3(theta, phi, lambda) on a qubit with its angles in radians, as OpenQASM 2 defines it."""

    qubit: int
    theta: float
    phi: float
    lam: float


BoundOp = BoundU3 | CZ
Values = Sequence[float] | np.ndarray  # in radians


def to_chip(circuit: Circuit) -> ChipCircuit:
    """The circuit in U3 and CZ, equal to it up to a global phase; rotations that meet on a qubit become one U3."""
    ops: list[Op] = []
    open_parts: list[list[Part]] = [[] for _ in range(circuit.qubits)]

    def close(qubit: int) -> None:
        if open_parts[qubit]:
            ops.append(U3(qubit, tuple(open_parts[qubit])))
            open_parts[qubit] = []

    def cz(a: int, b: int) -> None:
        close(a)
        close(b)
        ops.append(CZ((a, b)))

    def cnot(control: int, target: int) -> None:
        open_parts[target].append(Part("H"))
        cz(control, target)
        open_parts[target].append(Part("H"))

    for gate in circuit.gates:
        control, target = gate.qubits[0], gate.qubits[-1]
        match gate.name:
            case "CZ":
                cz(control, target)
            case "CNOT":
                cnot(control, target)
            case "CRZ":
                open_parts[target].append(Part("RZ", gate.angle, 0.5))
                cnot(control, target)
                open_parts[target].append(Part("RZ", gate.angle, -0.5))
                cnot(control, target)
            case name:
                open_parts[target].append(Part(name, gate.angle))
    for qubit in range(circuit.qubits):
        close(qubit)
    return ChipCircuit(circuit.qubits, tuple(ops))


def bound(chip: ChipCircuit, inputs: Values, weights: Values, decimals: int | None = None) -> tuple[BoundOp, ...]:
    """The circuit with its angles, for one row.

    Args:
        chip: From ``to_chip``.
        inputs: (num_inputs,), in radians.
        weights: (num_weights,), in radians.
        decimals: Round the three angles of every U3, so that what is simulated is what can be sent as text.
    """
    out: list[BoundOp] = []
    for op in chip.ops:
        if isinstance(op, CZ):
            out.append(op)
            continue
        matrix = np.eye(2, dtype=complex)
        for part in op.parts:
            matrix = gate_matrix(part.name, _value(part, inputs, weights)) @ matrix
        angles = u3_angles(matrix)
        # + 0.0 turns -0.0 into 0.0: equal circuits have equal texts
        out.append(BoundU3(op.qubit, *(a if decimals is None else round(a, decimals) + 0.0 for a in angles)))
    return tuple(out)


def _value(part: Part, inputs: Values, weights: Values) -> float:
    match part.angle:
        case Input(i):
            return part.factor * float(inputs[i])
        case Weight(i):
            return part.factor * float(weights[i])
        case None:
            return 0.0
    return part.factor * part.angle


def u3_angles(matrix: np.ndarray) -> tuple[float, float, float]:
    """theta, phi, lambda of a unitary (2, 2), up to a global phase; phi = 0 where only a sum is determined.

    U3 = [[cos(theta/2), -e^{i lambda} sin(theta/2)], [e^{i phi} sin(theta/2), e^{i (phi + lambda)} cos(theta/2)]]
    """
    c, s = abs(matrix[0, 0]), abs(matrix[1, 0])
    theta = 2 * atan2(s, c)
    if s < 1e-12:
        return 0.0, 0.0, phase(matrix[1, 1] / matrix[0, 0])
    if c < 1e-12:
        return theta, 0.0, phase(-matrix[0, 1] / matrix[1, 0])
    return theta, phase(matrix[1, 0] / matrix[0, 0]), phase(-matrix[0, 1] / matrix[0, 0])
