"""A circuit as the tables that ``circuit.cpp`` runs: a product state, then turns and diagonals, then the read-out.

An angle is an index into the weights followed by constants. Turns about Y of one qubit that follow each other are one,
of an input, a weight or both; RZ, CRZ and CZ that may be done together are one diagonal; a last turn by a weight is
left to the read-out, and what the read-out does not see is left out.
"""

from dataclasses import dataclass, field
from functools import cache, cached_property
from math import pi

import numpy as np

from qft.quantum.circuit import Circuit, Gate, Input, Weight

MAX_QUBITS = 10  # sizes circuit.cpp is written for
MAX_INPUTS = 16
NONE = -1
GATES = ("RY", "RZ", "CRZ", "CZ")


@dataclass
class Turn:
    """RY(input + weight) on one qubit; -1 where there is no input or no weight."""

    qubit: int
    input: int = NONE
    weight: int = NONE


@dataclass
class Diagonal:
    """exp(-i sum of angles times generators)."""

    terms: list[tuple[int, np.ndarray, tuple[int, ...]]] = field(default_factory=list)  # angle, (2^r,), its qubits


@dataclass(frozen=True, eq=False)
class Program:
    """What the compiled function takes.

    Attributes:
        sizes: int32 (6,): qubits, inputs, angles, operations, diagonals, terms.
        tables: int32: start, operations, last turns and terms, one after the other.
        generators: float64 (terms, 2^r).
        constants: Angles that follow the weights.
    """

    sizes: np.ndarray
    tables: np.ndarray
    generators: np.ndarray
    constants: np.ndarray

    @cached_property
    def addresses(self) -> tuple[int, int, int]:
        """Of sizes, tables and generators."""
        return self.sizes.ctypes.data, self.tables.ctypes.data, self.generators.ctypes.data


@cache
def program(circuit: Circuit) -> Program | None:
    """The tables of ``circuit``; None where it is too large or has a gate or an input they cannot hold."""
    if not 1 <= circuit.qubits <= MAX_QUBITS or not 1 <= circuit.num_inputs <= MAX_INPUTS:
        return None
    if any(g.name not in GATES or (g.name != "RY" and isinstance(g.angle, Input)) for g in circuit.gates):
        return None
    builder = _Builder(circuit)
    for gate in circuit.gates:
        builder.add(gate)
    return builder.finish()


class _Builder:
    def __init__(self, circuit: Circuit) -> None:
        self._circuit = circuit
        self._constants: list[float] = []
        self._start = [Turn(q) for q in range(circuit.qubits)]
        self._steps: list[Turn | Diagonal] = []
        self._seen = [NONE] * circuit.qubits  # the last step on each qubit; -1: its place in the start is open
        self._bits = (np.arange(2**circuit.qubits) >> np.arange(circuit.qubits)[::-1, None]) & 1  # qubit 0 slowest

    def add(self, gate: Gate) -> None:
        if gate.name == "RY":
            self._add_turn(gate)
        else:
            self._add_phase(gate)

    def finish(self) -> Program:
        last = self._take_last()
        steps = [s for s in self._steps if isinstance(s, Turn) or s.terms]
        for turn in self._start:
            if turn.input == turn.weight == NONE:
                turn.weight = self._constant(0.0)
        operations, terms = [], []
        generators: list[np.ndarray] = []
        diagonals = 0
        for step in steps:
            if isinstance(step, Turn):
                operations.append((0, step.qubit, step.input, step.weight))
                continue
            operations.append((1, diagonals, int(diagonals == 0), 0))  # up to the first one the state is real
            terms += [(diagonals, angle) for angle, _, _ in step.terms]
            generators += [generator for _, generator, _ in step.terms]
            diagonals += 1
        size, angles = self._circuit.qubits, self._circuit.num_weights + len(self._constants)
        start = [(t.input, t.weight) for t in self._start]
        tables = [np.array(part, np.int32).ravel() for part in (start, operations, last, terms)]
        return Program(
            np.array([size, self._circuit.num_inputs, angles, len(operations), diagonals, len(terms)], np.int32),
            np.concatenate(tables),
            np.array(generators, np.float64).reshape(len(terms), 2**size),
            np.array(self._constants, np.float64),
        )

    def _add_turn(self, gate: Gate) -> None:
        (q,) = gate.qubits
        kind = "input" if isinstance(gate.angle, Input) else "weight"
        before = self._start[q] if self._seen[q] == NONE else self._steps[self._seen[q]]
        if not isinstance(before, Turn) or vars(before)[kind] != NONE:
            before = Turn(q)
            self._steps.append(before)
            self._seen[q] = len(self._steps) - 1
        vars(before)[kind] = self._angle(gate)

    def _add_phase(self, gate: Gate) -> None:
        qubits = gate.qubits
        bits = self._bits[list(qubits)]
        if gate.name == "CZ":
            generator, angle = bits.prod(0), self._constant(pi)
        else:
            generator, angle = (0.5 - bits[-1]) * (bits[0] if gate.name == "CRZ" else 1), self._angle(gate)
        after = max(self._seen[q] for q in qubits)
        places = range(max(after, 0), len(self._steps))
        at = next((k for k in places if isinstance(self._steps[k], Diagonal)), None)
        if at is None:
            self._steps.append(Diagonal())
            at = len(self._steps) - 1
        step = self._steps[at]
        assert isinstance(step, Diagonal)
        step.terms.append((angle, generator, qubits))
        for q in qubits:
            self._seen[q] = at

    def _take_last(self) -> list[int]:
        """Take out what the read-out does instead, and the phases that it does not see."""
        last = [NONE] * self._circuit.qubits
        for k, step in enumerate(self._steps):
            if isinstance(step, Diagonal):
                step.terms = [t for t in step.terms if any(self._seen[q] != k for q in t[2])]
        for q, k in enumerate(self._seen):
            if k != NONE and isinstance(turn := self._steps[k], Turn) and turn.input == NONE:
                last[q] = turn.weight
        taken = {k for q, k in enumerate(self._seen) if last[q] != NONE}
        self._steps = [s for k, s in enumerate(self._steps) if k not in taken]
        return last

    def _angle(self, gate: Gate) -> int:
        if isinstance(gate.angle, (Input, Weight)):
            return gate.angle.index
        assert gate.angle is not None
        return self._constant(gate.angle)

    def _constant(self, value: float) -> int:
        self._constants.append(value)
        return self._circuit.num_weights + len(self._constants) - 1
