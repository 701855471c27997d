"""What an evaluation takes on hardware, counted before anything is sent.

A module's circuit runs once a token that passes through the model. With V validation samples of v tokens, A answers
of p prompt and g written tokens, generated side by side in batches of b:

    rows a module           V v + A p + A (g - 1)         the last written token is not read again
    passes one by one       ceil(V / b) + ceil(A / b) g
    circuits                modules x rows                x r with one circuit an observable
    round trips             modules x passes              each waits for the one before
    blocks                  ceil(blocks of the module / blocks side by side on the chip) in place of r
    mitigation              x folds (3 with zne=[1,3,5]); + 2 calibration circuits in a job of their own
    surrogate               sum over modules of its grid + held-out settings, all in one round trip

Padding of unequal prompts comes on top, equal circuits (sent once) come off.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

from qft.quantum.circuit import Circuit
from qft.quantum.hardware.clients.base import Client, Price
from qft.quantum.hardware.surrogate import HELD_OUT, settings
from qft.quantum.mitigation import CALIBRATIONS, OFF, Mitigation


@dataclass(frozen=True)
class Work:
    """The evaluation: V, v, A, p, g, b of the module docstring."""

    validation: int
    validation_tokens: int
    answers: int
    prompt_tokens: int
    answer_tokens: int
    side_by_side: int

    def passes(self) -> list[tuple[int, int]]:
        """Passes through the model as (rows, how often)."""
        out: list[tuple[int, int]] = []
        for samples, tokens in ((self.validation, self.validation_tokens), (self.answers, self.prompt_tokens)):
            full, rest = divmod(samples, self.side_by_side)
            out += [(self.side_by_side * tokens, full), (rest * tokens, 1)]
        full, rest = divmod(self.answers, self.side_by_side)
        steps = self.answer_tokens - 1
        out += [(self.side_by_side, full * steps), (rest, steps)]
        return [(rows, times) for rows, times in out if rows and times]


@dataclass(frozen=True)
class Cost:
    """One way to run it. ``seconds`` and ``money`` are None where neither the user nor the vendor says so."""

    way: str
    circuits: int
    jobs: int
    shots: int
    round_trips: int
    seconds: float | None
    money: float | None


@dataclass(frozen=True)
class Terms:
    """How circuits are sent and what they take.

    Attributes:
        batch_size: Circuits a job.
        shots: Of each circuit.
        price: Of a circuit or a shot; None: as ``charge`` says.
        per: What ``price`` is for: "circuit" or "shot".
        rate: Circuits a second; None: as ``charge`` says.
        round_trip: Seconds from a submission to its results.
        charge: A client's ``price``.
        mitigation: Its circuits are counted: a circuit for each number of folds, and two calibration circuits, in a
            job of their own, for each number of qubits.
    """

    batch_size: int
    shots: int
    price: float | None = None
    per: str = "circuit"
    rate: float | None = None
    round_trip: float | None = None
    charge: Callable[[int, int, int], Price | None] = Client.price
    mitigation: Mitigation = OFF

    def calibrations(self, circuits: Sequence[Circuit]) -> int:
        """How often calibration circuits are sent for these."""
        return len({circuit.qubits for circuit in circuits}) if self.mitigation.readout else 0

    def cost(self, way: str, circuits: int, jobs: int, round_trips: int) -> Cost:
        """Time (seconds) and money of a number of circuits, jobs and round trips."""
        shots = circuits * self.shots
        published = self.charge(circuits, jobs, self.shots)
        times = [
            n * t for n, t in ((circuits, 1 / self.rate if self.rate else None), (round_trips, self.round_trip)) if t
        ]
        if not self.rate and published:
            times.append(published.seconds)
        money = published.money if published else None
        if self.price is not None:
            money = self.price * (circuits if self.per == "circuit" else shots)
        return Cost(way, circuits, jobs, shots, round_trips, sum(times) if times else None, money)


def direct(way: str, circuits: Sequence[Circuit], work: Work, terms: Terms, apart: bool) -> Cost:
    """A circuit a row and module; ``apart``: one for each of its qubits."""
    folds = len(terms.mitigation.folds)
    counts = [folds * (circuit.qubits if apart else 1) for circuit in circuits]
    return each_row(way, counts, work, terms, terms.calibrations(circuits))


def each_row(way: str, counts: Sequence[int], work: Work, terms: Terms, calibrations: int = 0) -> Cost:
    """So many circuits a row, of each module."""
    sent, jobs, trips = CALIBRATIONS * calibrations, calibrations, calibrations
    for each in counts:
        for rows, times in work.passes():
            sent += rows * each * times
            jobs += ceil(rows * each / terms.batch_size) * times
            trips += times
    return terms.cost(way, sent, jobs, trips)


def blocks(way: str, counts: Sequence[int], side_by_side: int, work: Work, terms: Terms) -> Cost:
    """So many equal circuits a row, of each module, ``side_by_side`` of them on the chip at a time."""
    return each_row(way, [ceil(count / side_by_side) for count in counts], work, terms)


def step(circuit: Circuit, terms: Terms) -> list[Cost]:
    """A circuit once a training step, and its gradient by the parameter shift, two circuits an angle."""
    shifted = 2 * circuit.num_weights
    return [
        terms.cost("training step", 1, 1, 1),
        terms.cost("its gradient", shifted, ceil(shifted / terms.batch_size), 1),
        terms.cost("evaluation", 0, 0, 0),
    ]


def surrogate(circuits: Sequence[Circuit], terms: Terms) -> Cost:
    """Every module's grid and held-out settings, once. Raises ValueError for a circuit that has no grid."""
    sent = sum(settings(circuit) + HELD_OUT for circuit in circuits) * len(terms.mitigation.folds)
    extra = terms.calibrations(circuits)
    return terms.cost("surrogate", sent + CALIBRATIONS * extra, ceil(sent / terms.batch_size) + extra, 1 + extra)


def ways(circuits: Sequence[Circuit], work: Work, terms: Terms) -> list[Cost]:
    """All ways to evaluate circuits for each token; the surrogate is left out where a circuit has no grid."""
    costs = [direct(way, circuits, work, terms, way == "per_observable") for way in ("grouped", "per_observable")]
    try:
        return [*costs, surrogate(circuits, terms)]
    except ValueError:
        return costs
