"""What a quantum computer would run of a method that is simulated as mathematics, not gate by gate for each token."""

from dataclasses import dataclass

from qft.quantum.circuit import Circuit


@dataclass(frozen=True)
class OnHardware:
    """For adapted layers of given sizes. ``refused``: why no token can be evaluated on hardware; empty: it can."""

    measures: str  # what the counts of a circuit give
    circuit: Circuit | None = None  # None: not made of the gates we know
    a_token: tuple[int, ...] = ()  # circuits for a token, of each layer; layers wait for one another
    a_step: int = 0  # circuits for a training step, without its gradient
    refused: str = ""
