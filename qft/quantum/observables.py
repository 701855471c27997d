"""Pauli strings: which can be read from one circuit, what to turn before measuring, and their value from counts.

A string has one letter a qubit, qubit 0 first: "ZIIX" is Z on qubit 0 and X on qubit 3. Strings commute qubit by
qubit where no qubit has two different letters other than I; such strings share one basis, and one circuit.

    X = RY(-pi/2)^+ Z RY(-pi/2)        Y = RX(pi/2)^+ Z RX(pi/2)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import pi

from qft.quantum.circuit import Circuit, Gate
from qft.quantum.mitigation import Reading

_TURNS = {"X": ("RY", -pi / 2), "Y": ("RX", pi / 2)}


@dataclass(frozen=True)
class Group:
    """Strings read from one circuit: their indices, and the basis (I on qubits that no string needs)."""

    basis: str
    members: tuple[int, ...]


def check(strings: Sequence[str], qubits: int) -> None:
    """Raise ValueError for what is not a Pauli string of ``qubits`` letters."""
    for string in strings:
        if len(string) != qubits or set(string) - set("IXYZ"):
            raise ValueError(f"{string!r} is not a Pauli string on {qubits} qubits, such as {'Z' * qubits!r}")


def single_z(qubits: int) -> list[str]:
    """Z on each qubit in turn: what the adapters read."""
    return ["I" * q + "Z" + "I" * (qubits - q - 1) for q in range(qubits)]


def grouped(strings: Sequence[str]) -> list[Group]:
    """Groups of strings that commute qubit by qubit: each string goes to the first group it fits."""
    bases: list[str] = []
    members: list[list[int]] = []
    for index, string in enumerate(strings):
        for k, basis in enumerate(bases):
            if all(a == b or "I" in (a, b) for a, b in zip(basis, string, strict=True)):
                bases[k] = "".join(b if a == "I" else a for a, b in zip(basis, string, strict=True))
                members[k].append(index)
                break
        else:
            bases.append(string)
            members.append([index])
    return [Group(basis, tuple(m)) for basis, m in zip(bases, members, strict=True)]


def apart(strings: Sequence[str]) -> list[Group]:
    """One circuit for each string, as the paper counts them."""
    return [Group(string, (index,)) for index, string in enumerate(strings)]


def turned(circuit: Circuit, basis: str) -> Circuit:
    """The circuit followed by the rotations that bring ``basis`` to Z."""
    turns = tuple(Gate(_TURNS[p][0], (q,), _TURNS[p][1]) for q, p in enumerate(basis) if p in _TURNS)
    return Circuit(circuit.qubits, circuit.gates + turns)


def measured(basis: str) -> list[int]:
    """The qubits a group measures; the k-th of them goes to classical bit k."""
    return [q for q, p in enumerate(basis) if p != "I"]


def expectation(counts: dict[str, int], string: str, basis: str, readings: Sequence[Reading] | None = None) -> float:
    """<P> of one string from the counts of its group's circuit.

    Args:
        counts: Bits, classical bit 0 rightmost, and how often they were read; at least one.
        string: A member of the group.
        basis: Of the group.
        readings: Of each qubit, where wrong readings are to be corrected; None: as read.

    Returns:
        A number in [-1, 1]; corrected, it may lie outside.
    """
    if readings is not None:
        return _corrected(counts, string, basis, readings)
    bits = [k for k, q in enumerate(measured(basis)) if string[q] != "I"]
    mask = sum(1 << k for k in bits)
    total = sum(counts.values())
    signed = (-n if (int(key, 2) & mask).bit_count() % 2 else n for key, n in counts.items())
    return sum(signed) / total


def _corrected(counts: dict[str, int], string: str, basis: str, readings: Sequence[Reading]) -> float:
    """<P> with each reading +-1 of a qubit replaced by (+-1 - offset) / slope."""
    total = 0.0
    for key, n in counts.items():
        bits, value = int(key, 2), float(n)
        for k, q in enumerate(measured(basis)):
            if string[q] != "I":
                value *= ((-1 if bits >> k & 1 else 1) - readings[q].offset) / readings[q].slope
        total += value
    return total / sum(counts.values())
