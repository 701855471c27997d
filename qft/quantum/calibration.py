"""A real chip as it was calibrated one day, as data: what its gates, its waiting and its reading cost.

    {"schema": 1, "name": "torino", "source": "...", "date": "2025-02-26", "dt": 4.0, "readout_time": 1560.0,
     "qubits": [{"t1": 224.1, "t2": 314.6, "readout": [0.17, 0.16], "sx": [0.0003, 32.0], "x": [0.0003, 32.0]}, ...],
     "two_qubit": "cz", "pairs": [[0, 1, 0.0049, 68.0], ...]}

Times T1 and T2 in microseconds (null: no such decay), gate times, that of a read-out and ``dt``, the unit of the chip's
clock, in nanoseconds. A gate is [average error, time]; an error is one minus the average gate fidelity, as vendors
report it. ``readout`` is [P(1|0), P(0|1)]. A pair is [first, second, error, time], in the directions that the chip has.
RZ is a change of phase in software: no time, no error.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Any

from qft.errors import QftError, nearest

SCHEMA = 1
FOLDER = Path(__file__).parent / "chips"
ONE_QUBIT = ("sx", "x")
TWO_QUBIT = ("cz", "ecr", "cx")
LARGEST = 2**24  # bytes of a file


@dataclass(frozen=True)
class GateQuality:
    """Average error, at most 1, and time in nanoseconds."""

    error: float
    time: float


@dataclass(frozen=True)
class Qubit:
    """Lifetimes in microseconds, None where there is no such decay, and P(1|0), P(0|1) of its read-out."""

    t1: float | None
    t2: float | None
    readout: tuple[float, float]
    gates: Mapping[str, GateQuality]


@dataclass(frozen=True, eq=False)
class Calibration:
    """A chip: its qubits, and its pairs (first, second) with the quality of their gate. Equal only to itself.

    Attributes:
        name: Of the chip.
        source: Where the numbers come from, and their licence.
        date: When they were measured, as the source has it.
        dt: Unit of its clock in nanoseconds; gates and waiting take whole numbers of it.
        readout_time: Of the slowest qubit, in nanoseconds.
        qubits: By number.
        two_qubit: The gate of the pairs: cz, ecr or cx.
        pairs: In each direction that the chip has.
        digest: SHA-256 of the numbers.
    """

    name: str
    source: str
    date: str
    dt: float
    readout_time: float
    qubits: tuple[Qubit, ...]
    two_qubit: str
    pairs: Mapping[tuple[int, int], GateQuality]
    digest: str

    def quality(self, gate: str, on: tuple[int, ...]) -> GateQuality:
        """Error and time of a gate on these qubits."""
        return self.pairs[on[0], on[1]] if len(on) == 2 else self.qubits[on[0]].gates[gate]


def names() -> list[str]:
    """Chips whose calibrations come with qft."""
    return sorted(file.stem for file in FOLDER.glob("*.json"))


def is_one(given: str) -> bool:
    """Whether ``load`` would look for this: the name of a chip, or a file that ends in .json."""
    return given.endswith(".json") or given in names()


def load(given: str) -> Calibration:
    """A calibration.

    Args:
        given: One of ``names()``, or a json file.

    Raises:
        QftError: There is none, or it does not hold what the module docstring lists.
    """
    file = Path(given) if given.endswith(".json") else FOLDER / f"{given}.json"
    if not given.endswith(".json") and given not in names():
        raise QftError(f"There is no chip '{given}'.{nearest(given, names())} A file of your own ends in .json.")
    try:
        if file.stat().st_size > LARGEST:
            raise QftError(f"{given} is no calibration of a chip: it has more than {LARGEST >> 20} MB.")
        return _read(file.resolve(), file.stat().st_mtime_ns)
    except OSError as error:
        raise QftError(f"{given} cannot be read: {error.strerror}.") from error


@cache
def _read(file: Path, _: int) -> Calibration:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise QftError(f"{file.name} is not JSON.") from error
    return parse(document, file.name)


def parse(document: Any, where: str) -> Calibration:
    """A calibration from what its json holds; ``where`` names it in messages. Raises QftError for anything else."""
    if not isinstance(document, dict):
        raise QftError(f"{where} is no calibration of a chip.")
    try:
        if document["schema"] != SCHEMA:
            raise QftError(f"{where} has schema {document['schema']}; this version of qft reads {SCHEMA}.")
        qubits = tuple(_qubit(q) for q in document["qubits"])
        pairs = {
            (_index(a, qubits), _index(b, qubits)): _gate((error, time)) for a, b, error, time in document["pairs"]
        }
        if not qubits or any(a == b for a, b in pairs):
            raise ValueError("no qubits, or a pair of one qubit with itself")
        if document["two_qubit"] not in TWO_QUBIT:
            raise ValueError(f"two_qubit is one of {', '.join(TWO_QUBIT)}")
        times = {"dt": _number(document.get("dt", 1.0)), "readout_time": _number(document.get("readout_time", 0.0))}
        if times["dt"] == 0:
            raise ValueError("dt must be more than 0")
        name, source, date = (str(document.get(key, "")) for key in ("name", "source", "date"))
    except KeyError as error:
        raise QftError(f"{where} is no calibration of a chip: it lacks the key {error}.") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise QftError(f"{where} is no calibration of a chip: {error}.") from error
    numbers = {key: document[key] for key in ("qubits", "two_qubit", "pairs")} | times
    digest = hashlib.sha256(json.dumps(numbers, sort_keys=True).encode()).hexdigest()
    dt, readout_time = times["dt"], times["readout_time"]
    return Calibration(name, source, date, dt, readout_time, qubits, document["two_qubit"], pairs, digest)


def as_json(document: Mapping[str, Any]) -> str:
    """The document as text, a qubit or a pair a line."""
    lines = []
    for key, value in document.items():
        if isinstance(value, list):
            lines.append(f' "{key}": [\n  ' + ",\n  ".join(json.dumps(each) for each in value) + "\n ]")
        else:
            lines.append(f' "{key}": {json.dumps(value)}')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _qubit(given: Mapping[str, Any]) -> Qubit:
    t1, t2 = (None if given[key] is None else _number(given[key]) for key in ("t1", "t2"))
    if t1 == 0 or t2 == 0:
        raise ValueError("a lifetime of 0; null means that there is no such decay")
    zero, one = (_probability(p) for p in given["readout"])
    return Qubit(t1, t2, (zero, one), {name: _gate(given[name]) for name in ONE_QUBIT})


def _gate(given: Any) -> GateQuality:
    error, time = given
    return GateQuality(_probability(error), _number(time))


def _index(given: Any, qubits: tuple[Qubit, ...]) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given < len(qubits):
        raise ValueError(f"{given} in its pairs is none of its {len(qubits)} qubits")
    return given


def _probability(given: Any) -> float:
    if _number(given) > 1:
        raise ValueError(f"{given} is not a probability")
    return float(given)


def _number(given: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not isfinite(given) or given < 0:
        raise ValueError(f"{str(given)[:40]} is not a number that is not negative")
    return float(given)
