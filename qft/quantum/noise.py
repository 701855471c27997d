"""What goes wrong on a chip, as data: depolarising gates, T1 and T2, wrong read-out. Numbers only, numpy only.

    after a U3      rho -> (1 - p1) rho + p1 I/2 on its qubit
    after a CZ      rho -> (1 - p2) rho + p2 (I/4 x Tr_ab rho) on both together (joint), or p2 on each of the two
    then            amplitude damping and dephasing of the gate's qubits for the gate's time t:
                    <X>, <Y> decay by exp(-t/T2), <Z> goes to +1 by exp(-t/T1)
    read-out        bit b is read as c with probability readout[b][c]

Qubits that wait are taken as ideal, and so is |0...0>. Noise acts on circuits in the chip's basis (``chip.py``),
where one U3 is one pulse however many rotations were merged into it.

``scale`` multiplies p1, p2, both gate times and the probabilities of a wrong reading, each exactly: 0 is an
ideal machine, 1 the one described, and a scale that takes a probability beyond 1 is refused, never clipped.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from math import exp, inf, isfinite
from typing import Any

import numpy as np

from qft.errors import QftError, nearest
from qft.quantum.reference import PAULIS

IDEAL_READOUT = ((1.0, 0.0), (0.0, 1.0))


@dataclass(frozen=True)
class NoiseModel:
    """Probabilities in [0, 1], T1 and T2 in microseconds (None: no such decay), gate times in nanoseconds.

    T1 alone means T2 = 2 T1, all that T1 allows. Raises QftError for what no machine can do.
    """

    p1: float = 0.0
    p2: float = 0.0
    joint: bool = True
    t1: float | None = None
    t2: float | None = None
    time1: float = 0.0
    time2: float = 0.0
    readout: Sequence[Sequence[float]] = IDEAL_READOUT
    scale: float = 1.0

    def __post_init__(self) -> None:
        for name in ("p1", "p2", "time1", "time2", "scale"):
            _number(name, vars(self)[name])
        for name in ("t1", "t2"):
            if vars(self)[name] is not None and _number(name, vars(self)[name]) == 0:
                raise QftError(f"noise: {name}=0 is not a lifetime; null means that there is no such decay.")
        if self.t1 is not None and self.t2 is not None and self.t2 > 2 * self.t1:
            raise QftError(f"noise: t2={self.t2} is more than twice t1={self.t1}, which no qubit can have.")
        for name in ("p1", "p2"):
            self._probability(name, vars(self)[name])
        rows = [list(row) if isinstance(row, Sequence) else row for row in self.readout]
        if len(rows) != 2 or any(not isinstance(row, list) or len(row) != 2 for row in rows):
            raise QftError(f"noise: readout={rows} must be [[P(0|0), P(1|0)], [P(0|1), P(1|1)]].")
        for row in rows:
            if any(_number("readout", p) > 1 for p in row) or abs(sum(row) - 1) > 1e-9:
                raise QftError(f"noise: the readout row {row} must be two probabilities that add up to 1.")
        object.__setattr__(self, "readout", tuple(tuple(float(p) for p in row) for row in rows))
        self._probability("readout P(1|0)", self.readout[0][1])
        self._probability("readout P(0|1)", self.readout[1][0])

    def _probability(self, name: str, value: float) -> None:
        if value > 1:
            raise QftError(f"noise: {name}={value} is not a probability: it must lie in [0, 1].")
        if value * self.scale > 1:
            raise QftError(
                f"noise: scale={self.scale} makes {name}={value} more than 1; it can be at most {1 / value:g}."
            )

    @classmethod
    def of(cls, options: Mapping[str, Any], scale: float = 1.0) -> "NoiseModel":
        """From a config's ``noise`` keys. Raises QftError for unknown ones."""
        if "chip" in options:
            raise QftError("The noise of a calibrated chip is simulated by backend=noisy.")
        known = [f.name for f in fields(cls) if f.name != "scale"]
        if unknown := [key for key in options if key not in known]:
            raise QftError(f"noise: there is no key '{unknown[0]}'.{nearest(unknown[0], known)}")
        return cls(**options, scale=scale)

    @property
    def ideal(self) -> bool:
        """Whether nothing goes wrong."""
        quiet = all(np.array_equal(self.transfer(m), np.eye(4**m)) for m in (1, 2))
        return quiet and self.confusion() == IDEAL_READOUT

    def depolarising(self, qubits: int) -> tuple[float, bool]:
        """Probability after a gate on 1 or 2 qubits, and whether it hits them as one."""
        return (self.p1 if qubits == 1 else self.p2) * self.scale, qubits == 1 or self.joint

    def decay(self, qubits: int) -> tuple[float, float]:
        """exp(-t/T1) and exp(-t/T2) for a gate on 1 or 2 qubits."""
        time = (self.time1 if qubits == 1 else self.time2) * self.scale / 1000  # in microseconds
        t1 = inf if self.t1 is None else self.t1
        t2 = 2 * t1 if self.t2 is None else self.t2
        return exp(-time / t1), exp(-time / t2)

    def confusion(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """[[P(0|0), P(1|0)], [P(0|1), P(1|1)]], scaled."""
        up, down = self.readout[0][1] * self.scale, self.readout[1][0] * self.scale
        return (1 - up, up), (down, 1 - down)

    def transfer(self, qubits: int) -> np.ndarray:
        """The channel after a gate on 1 or 2 qubits as its adjoint moves Paulis: (4^m, 4^m), P_i -> sum_j T_ij P_j."""
        p, joint = self.depolarising(qubits)
        z, xy = self.decay(qubits)
        damp = np.diag([1, xy, xy, z])
        damp[3, 0] = 1 - z
        shrink = np.diag([1, 1 - p, 1 - p, 1 - p])
        if qubits == 1:
            return damp @ shrink
        both = np.diag([1.0] + 15 * [1 - p]) if joint else np.kron(shrink, shrink)
        return np.kron(damp, damp) @ both

    def readout_transfer(self) -> np.ndarray:
        """Wrong read-out as a channel on Z: (4, 4)."""
        (right0, _), (wrong1, _) = self.confusion()
        z0, z1 = 2 * right0 - 1, 2 * wrong1 - 1  # the mean of what is read for |0> and for |1>
        out = np.diag([1.0, 0.0, 0.0, (z0 - z1) / 2])
        out[3, 0] = (z0 + z1) / 2
        return out

    def calibrated(self) -> tuple[float, float]:
        """The means of +-1 that calibration circuits read of a qubit: of 0, and of a 1 that one U3 has made."""
        reading = self.readout_transfer()[3]
        return float(reading @ [1, 0, 0, 1]), float(reading @ self.transfer(1) @ [1, 0, 0, -1])

    def kraus(self, qubits: int) -> list[np.ndarray]:
        """The same channel as Kraus matrices (2^m, 2^m), for simulators that want those. Textbook forms."""
        p, joint = self.depolarising(qubits)
        z, xy = self.decay(qubits)
        # phase flips take what amplitude damping leaves of the coherence, sqrt(z), down to xy
        flip = max(0.0, 1 - xy / z**0.5) / 2 if z > 0 else 0.0
        damping = [np.diag([1, z**0.5]), np.array([[0, (1 - z) ** 0.5], [0, 0]])]
        decay = [a * k @ d for a, k in (((1 - flip) ** 0.5, np.eye(2)), (flip**0.5, PAULIS[3])) for d in damping]
        one = _depolarising(1, p)
        if qubits == 1:
            return _fewest([d @ k for d in decay for k in one])
        both = _depolarising(2, p) if joint else [np.kron(a, b) for a in one for b in one]
        return _fewest([np.kron(c, d) @ k for c in decay for d in decay for k in both])


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value) or value < 0:
        raise QftError(f"noise: {name}={value} must be a number that is not negative.")
    return value


def _depolarising(qubits: int, p: float) -> list[np.ndarray]:
    strings = PAULIS if qubits == 1 else np.array([np.kron(a, b) for a in PAULIS for b in PAULIS])
    each = p / len(strings)
    return [np.sqrt(1 - p + each if k == 0 else each) * s for k, s in enumerate(strings)]


def _fewest(kraus: list[np.ndarray]) -> list[np.ndarray]:
    """An equal set of at most 4^m matrices: eigenvectors of the Choi matrix."""
    flat = np.array([k.ravel() for k in kraus])
    values, vectors = np.linalg.eigh(flat.T @ flat.conj())
    return [np.sqrt(v) * x.reshape(kraus[0].shape) for v, x in zip(values, vectors.T) if v > 1e-14]
