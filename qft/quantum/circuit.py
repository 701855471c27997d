"""A circuit is data: a frozen sequence of gates whose angles are inputs, weights or numbers.

Circuit(2, (Gate("RY", (0,), Input(0)), Gate("CRZ", (0, 1), Weight(0))))
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

# gate name -> (number of qubits, takes an angle)
GATES: dict[str, tuple[int, bool]] = {
    "RX": (1, True),
    "RY": (1, True),
    "RZ": (1, True),
    "CRZ": (2, True),
    "H": (1, False),
    "X": (1, False),
    "CNOT": (2, False),
    "CZ": (2, False),
}


@dataclass(frozen=True)
class Input:
    """The angle is the ``index``-th component of the data vector (radians)."""

    index: int


@dataclass(frozen=True)
class Weight:
    """The angle is the ``index``-th trainable parameter (radians)."""

    index: int


Angle = Input | Weight | float | None


@dataclass(frozen=True)
class Gate:
    """One gate. Of a controlled gate the first qubit is the control."""

    name: str
    qubits: tuple[int, ...]
    angle: Angle = None

    def __post_init__(self) -> None:
        if self.name not in GATES:
            raise ValueError(f"unknown gate {self.name}; known: {', '.join(GATES)}")
        size, takes_angle = GATES[self.name]
        if len(self.qubits) != size or len(set(self.qubits)) != size:
            raise ValueError(f"{self.name} acts on {size} different qubit(s), got {self.qubits}")
        if takes_angle == (self.angle is None):
            raise ValueError(f"{self.name} {'needs an' if takes_angle else 'takes no'} angle")


@dataclass(frozen=True)
class Circuit:
    """Gates in the order they are applied to |0...0>. Qubit 0 is the first tensor factor."""

    qubits: int
    gates: tuple[Gate, ...]

    def __post_init__(self) -> None:
        for gate in self.gates:
            if not all(0 <= q < self.qubits for q in gate.qubits):
                raise ValueError(f"{gate} lies outside {self.qubits} qubits")

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:  # circuits are looked up at every step
        return hash((self.qubits, self.gates))

    def __reduce__(self) -> tuple[type["Circuit"], tuple[int, tuple[Gate, ...]]]:
        # without the hash: another process hashes names differently
        return Circuit, (self.qubits, self.gates)

    def _indices(self, kind: type[Input] | type[Weight]) -> Iterator[int]:
        return (g.angle.index for g in self.gates if isinstance(g.angle, kind))

    @property
    def num_inputs(self) -> int:
        """Length of the data vector: highest input index + 1."""
        return max(self._indices(Input), default=-1) + 1

    @property
    def num_weights(self) -> int:
        """Number of trainable angles: highest weight index + 1."""
        return max(self._indices(Weight), default=-1) + 1
