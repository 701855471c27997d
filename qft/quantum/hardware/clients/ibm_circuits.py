"""Circuits as IBM's Sampler takes them: programs that differ in angles alone are one parametrised circuit.

A program's text is OpenQASM 2 as ``qft.quantum.export`` writes it, in u3 and cz; whatever else a journal may hold is
refused. Circuits of one shape are transpiled once, with their angles as parameters, so that all settings of a surrogate
run alike: on the same qubits, by the same pulses.
"""

import re
from collections.abc import Sequence
from math import pi
from typing import Any

import numpy as np

from qft.errors import QftError
from qft.quantum.hardware.clients.base import Counts, Program

_NUMBER = r"-?\d{1,3}\.\d{1,15}"
_U3 = re.compile(rf"u3\(({_NUMBER}),({_NUMBER}),({_NUMBER})\) q\[(\d{{1,4}})\];")
_CZ = re.compile(r"cz q\[(\d{1,4})\],q\[(\d{1,4})\];")
_MEASURE = re.compile(r"measure q\[(\d{1,4})\] -> c\[(\d{1,4})\];")
_HEAD = re.compile(r'OPENQASM 2\.0;\ninclude "qelib1\.inc";\nqreg q\[(\d{1,4})\];\ncreg c\[(\d{1,4})\];\n')
_ANGLES = re.compile(rf"\({_NUMBER},{_NUMBER},{_NUMBER}\)")


class Shapes:
    """Programs of one job, sorted by what they are without their angles.

    Attributes:
        texts: A program of each shape, the first that has it.
        members: The programs of each shape, by their place in the job.
    """

    def __init__(self, programs: Sequence[Program]) -> None:
        places: dict[str, list[int]] = {}
        for place, program in enumerate(programs):
            places.setdefault(shape_of(program.text), []).append(place)
        self.members = list(places.values())
        self.texts = [programs[member[0]].text for member in self.members]

    def values(self, programs: Sequence[Program], shape: int) -> np.ndarray:
        """The values of ``read``'s parameters for each program of a shape, in radians: (programs, parameters)."""
        texts = [programs[place].text for place in self.members[shape]]
        angles = np.array([[u3.groups()[:3] for u3 in _U3.finditer(text)] for text in texts], float).reshape(
            len(texts), -1, 3
        )
        theta, phi, lam = np.moveaxis(angles, -1, 0)
        return np.stack((lam, theta + pi, phi + pi), -1).reshape(len(texts), -1)

    def counts(self, results: Any, programs: Sequence[Program]) -> list[Counts]:
        """The counts of all programs from a Sampler's result.

        Raises:
            ValueError: The result has other numbers of shapes, programs, bits or shots.
        """
        if len(results) != len(self.members):
            raise ValueError(f"{len(results)} results for {len(self.members)} circuits")
        counts: list[Counts] = [{} for _ in programs]
        for text, members, result in zip(self.texts, self.members, results, strict=True):
            bits, shots = result.data["c"], programs[members[0]].shots
            expected = ((len(members),), bits_of(text), shots)
            if (seen := (tuple(bits.shape), bits.num_bits, bits.num_shots)) != expected:
                raise ValueError(f"results of shape, bits and shots {seen}, not {expected}")
            for k, place in enumerate(members):
                counts[place] = {key: int(n) for key, n in bits.get_counts(k).items()}
        return counts


def _u3(circuit: Any, qubit: int, first: Any, second: Any, third: Any) -> None:
    """U3(theta, phi, lambda) up to a global phase, in which angles stand alone.

    RZ(phi + pi) SX RZ(theta + pi) SX RZ(lambda), the last applied first: a chip's own gates, so that the transpiler
    makes at most sums of angles. Of qiskit's ``u`` it makes terms whose values take seconds to compute.
    """
    circuit.rz(first, qubit)
    circuit.sx(qubit)
    circuit.rz(second, qubit)
    circuit.sx(qubit)
    circuit.rz(third, qubit)


def shape_of(text: str) -> str:
    """A program's text without its angles."""
    return _ANGLES.sub("()", text)


def bits_of(text: str) -> int:
    """How many classical bits a program has. Raises QftError for a text that is none of ours."""
    return int(_head(text)[2])


def _head(text: str) -> re.Match[str]:
    if not (head := _HEAD.match(text)):
        raise QftError("A circuit of the journal is not as qft writes it; nothing was sent.")
    return head


def read(text: str) -> tuple[Any, list[str]]:
    """A program as a QuantumCircuit whose angles are parameters, and the names of those in their order.

    Raises:
        QftError: The text is none of ours.
    """
    from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
    from qiskit.circuit import Parameter
    from qiskit.circuit.exceptions import CircuitError

    head = _head(text)
    circuit = QuantumCircuit(QuantumRegister(int(head[1]), "q"), ClassicalRegister(int(head[2]), "c"))
    names: list[str] = []
    try:
        for line in text[head.end() :].splitlines():
            if u3 := _U3.fullmatch(line):
                new = [f"a{len(names) + k}" for k in range(3)]
                _u3(circuit, int(u3[4]), *map(Parameter, new))
                names += new
            elif cz := _CZ.fullmatch(line):
                circuit.cz(int(cz[1]), int(cz[2]))
            elif measure := _MEASURE.fullmatch(line):
                circuit.measure(int(measure[1]), int(measure[2]))
            else:
                raise QftError("A circuit of the journal is not as qft writes it; nothing was sent.")
    except CircuitError:
        raise QftError("A circuit of the journal names qubits that it has not got; nothing was sent.") from None
    return circuit, names
