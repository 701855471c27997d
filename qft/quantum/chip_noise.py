"""The noise of a calibrated chip (``calibration.py``) as channels on Paulis: gates, waiting, reading. Numpy only.

    after a gate of time t, average error e
                    rho -> (1 - p) rho + p I/d on its qubits, d = 2 or 4, then T1 and T2 act on each for t
                    p = d (e - e_t) / (d (1 - e_t) - 1), at least 0: with e_t, the average error of T1 and T2 alone,
                    gate and decay together have the error e
    while waiting   T1 and T2 act for the time
    read-out        a 0 is read as 1 with P(1|0), a 1 as 0 with P(0|1)

T2 counts as at most 2 T1. Qubits relax to |0>. This is Aer's noise model of a device (NoiseModel.from_backend, with
RelaxationNoisePass for what waits), and is tested against it. ``scale`` multiplies every p, every time that T1 and T2
act for, and the probabilities of a wrong reading.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache, cached_property
from math import exp, inf, isfinite
from typing import Any

import numpy as np

from qft.errors import QftError, nearest
from qft.quantum.calibration import Calibration, GateQuality, load
from qft.quantum.noise import NoiseModel

LEVELS = (0, 1, 2, 3)  # of the transpiler


@dataclass(frozen=True)
class ChipNoise:
    """A chip, how circuits are placed on it, and how strong its errors are.

    Attributes:
        chip: The calibration.
        seed: Of the transpiler that places and routes circuits.
        level: Its optimisation level, 0 to 3.
        scale: Multiplies every error; 1 is the chip as calibrated, 0 an ideal one.
    """

    chip: Calibration
    seed: int = 0
    level: int = 2
    scale: float = 1.0

    def __post_init__(self) -> None:
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or not 0 <= self.seed < 2**32:
            raise QftError(f"backend.noise.seed={self.seed} must be at least 0 and below 2^32.")
        if self.level not in LEVELS:
            raise QftError(f"backend.noise.level={self.level} must be 0, 1, 2 or 3.")
        if not isfinite(self.scale) or self.scale < 0:
            raise QftError(f"noise: scale={self.scale} must be a number that is not negative.")
        largest = max(max(q.readout) for q in self.chip.qubits)
        if largest * self.scale > 1:
            raise QftError(
                f"noise: scale={self.scale} makes a wrong reading more than certain on {self.chip.name}; it can be at "
                f"most {1 / largest:g}."
            )

    @classmethod
    def of(cls, options: Mapping[str, Any], scale: float = 1.0) -> "ChipNoise":
        """From a config's ``noise`` keys. Raises QftError for unknown ones, and where there is no such calibration."""
        known = [f.name for f in fields(cls) if f.name != "scale"]
        if unknown := [key for key in options if key not in known]:
            raise QftError(f"noise: a chip has no key '{unknown[0]}'.{nearest(unknown[0], known)}")
        return cls(**{**options, "chip": load(options["chip"])}, scale=scale)

    def relaxation(self, qubit: int, time: float) -> np.ndarray:
        """T1 and T2 of a qubit acting for ``time`` nanoseconds, as its adjoint moves Paulis: (4, 4)."""
        return _relaxation(self._lifetimes[qubit], time * self.scale)

    def after(self, gate: str, on: tuple[int, ...]) -> np.ndarray:
        """The channel after a gate on 1 or 2 qubits: (4^m, 4^m). Raises QftError where the scale is too large."""
        quality = self.chip.quality(gate, on)
        p = _depolarising(tuple(self._lifetimes[q] for q in on), quality) * self.scale
        size = 4 ** len(on)
        if p > size / (size - 1):
            raise QftError(f"noise: scale={self.scale} is more than {gate} on qubits {on} of {self.chip.name} allows.")
        shrink = np.diag([1.0] + (size - 1) * [1 - p])
        damp = np.ones((1, 1))
        for q in on:
            damp = np.kron(damp, self.relaxation(q, quality.time))
        return damp @ shrink

    def readout_transfer(self, qubit: int) -> np.ndarray:
        """Wrong read-out of a qubit as a channel on Z: (4, 4)."""
        up, down = (p * self.scale for p in self.chip.qubits[qubit].readout)
        out = np.diag([1.0, 0.0, 0.0, 1 - up - down])
        out[3, 0] = down - up
        return out

    def calibrated(self, qubit: int) -> tuple[float, float]:
        """The means of +-1 that calibration circuits read of a qubit: of 0, and of a 1 that one X has made."""
        reading = self.readout_transfer(qubit)[3]
        return float(reading @ [1, 0, 0, 1]), float(reading @ self.after("x", (qubit,)) @ [1, 0, 0, -1])

    @cached_property
    def _lifetimes(self) -> list[tuple[float, float]]:
        """T1 and T2 of each qubit in nanoseconds."""
        out = []
        for q in self.chip.qubits:
            t1 = inf if q.t1 is None else q.t1 * 1000
            out.append((t1, min(inf if q.t2 is None else q.t2 * 1000, 2 * t1)))
        return out


Noise = NoiseModel | ChipNoise


def noise_of(options: Mapping[str, Any], scale: float = 1.0) -> Noise:
    """The noise that a config's ``noise`` keys mean: a calibrated chip where they name one. Raises QftError."""
    return ChipNoise.of(options, scale) if "chip" in options else NoiseModel.of(options, scale)


def _relaxation(lifetimes: tuple[float, float], time: float) -> np.ndarray:
    t1, t2 = lifetimes
    z, xy = exp(-time / t1), exp(-time / t2)
    out = np.diag([1.0, xy, xy, z])
    out[3, 0] = 1 - z
    return out


@cache
def _depolarising(lifetimes: tuple[tuple[float, float], ...], quality: GateQuality) -> float:
    """p of the module docstring, at scale 1."""
    d = 2 ** len(lifetimes)
    trace = 1.0
    for each in lifetimes:
        trace *= float(np.trace(_relaxation(each, quality.time)))
    fidelity = (trace / d + 1) / (d + 1)  # average, of T1 and T2 alone
    error = min(quality.error, d / (d + 1))
    p = d * (error - (1 - fidelity)) / (d * fidelity - 1)
    return float(min(max(p, 0.0), d * d / (d * d - 1)))
