"""Errors of a chip measured and taken off again: wrong readings, and the noise of gates on two qubits. Numpy only.

    readout         two calibration circuits, all qubits 0 and all qubits 1, say what is read of a 0 and of a 1 on each
                    qubit: the mean z0 of a 0 and z1 of a 1. A reading s = +-1 becomes (s - a) / b with
                    a = (z0 + z1) / 2 and b = (z0 - z1) / 2, so that the mean of a product over qubits is what it would
                    be with right readings (where qubits are misread independently of each other).
    zne             zero-noise extrapolation by gate folding: each gate G on two qubits, its own inverse, is run as
                    G G ... G, n times with n odd, which computes the same with n times the noise. From the values f_n
                    the value at n = 0 follows (arXiv 1612.02058, 2005.10921):

    linear          the value at 0 of the straight line through all (n, f_n), by least squares
    richardson      that of the polynomial through all of them: less bias, more scatter

Both are sums c_n f_n with fixed c_n, so a mitigated expectation is as differentiable as the expectations in it, and its
variance is sum c_n^2 var f_n / b^2: mitigation trades bias for shots.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from math import prod
from typing import Any, NamedTuple

import numpy as np

from qft.errors import QftError, nearest

EXTRAPOLATIONS = ("linear", "richardson")
CALIBRATIONS = 2  # circuits that show what is read of a 0 and of a 1


class Reading(NamedTuple):
    """What is read of a qubit: ``offset`` plus ``slope`` times what it is, +1 or -1, on average."""

    offset: float
    slope: float

    @classmethod
    def of(cls, zero: float, one: float) -> "Reading":
        """From the means that are read of a 0 and of a 1. Raises QftError where they do not differ as they should."""
        if zero <= one:
            raise QftError(
                "backend.mitigation.readout: the calibration circuits read 0 and 1 no better than chance on a qubit; "
                "use more shots, or other qubits."
            )
        return cls((zero + one) / 2, (zero - one) / 2)


@dataclass(frozen=True)
class Mitigation:
    """What is done against errors; by default nothing.

    Attributes:
        readout: Whether readings are corrected by calibration circuits.
        zne: How often each gate on two qubits is run, odd numbers that differ; None: no extrapolation.
        extrapolation: One of EXTRAPOLATIONS.
    """

    readout: bool = False
    zne: Sequence[int] | None = None
    extrapolation: str = "linear"

    def __post_init__(self) -> None:
        if not isinstance(self.readout, bool):
            raise QftError(f"backend.mitigation.readout is true or false, not {self.readout}.")
        if self.extrapolation not in EXTRAPOLATIONS:
            hint = nearest(self.extrapolation, EXTRAPOLATIONS)
            raise QftError(f"backend.mitigation.extrapolation={self.extrapolation} does not exist.{hint}")
        if self.zne is None:
            return
        odd = isinstance(self.zne, Sequence) and all(type(n) is int and n > 0 and n % 2 for n in self.zne)
        if not odd or len(set(self.zne)) < 2 or len(set(self.zne)) < len(self.zne):
            raise QftError(
                f"backend.mitigation.zne={self.zne} must be two or more odd numbers that differ, such as [1,3,5]: so "
                "often is each gate on two qubits run."
            )
        object.__setattr__(self, "zne", tuple(self.zne))

    @classmethod
    def of(cls, options: Mapping[str, Any] | None) -> "Mitigation":
        """From a config's ``mitigation`` keys. Raises QftError for unknown ones."""
        known = [f.name for f in fields(cls)]
        if unknown := [key for key in options or {} if key not in known]:
            raise QftError(f"backend.mitigation has no key '{unknown[0]}'.{nearest(unknown[0], known)}")
        return cls(**(options or {}))

    @property
    def folds(self) -> tuple[int, ...]:
        """How often each gate on two qubits is run, circuit by circuit."""
        return tuple(self.zne or (1,))

    @property
    def weights(self) -> tuple[float, ...]:
        """c_n of the module docstring, in the order of ``folds``."""
        if self.zne is None:
            return (1.0,)
        n = np.array(self.folds, dtype=float)
        if self.extrapolation == "richardson":
            return tuple(prod(float(b / (b - a)) for b in n if b != a) for a in n)
        apart = n - n.mean()
        return tuple((1 / len(n) - n.mean() * apart / (apart @ apart)).tolist())

    @property
    def variance(self) -> float:
        """By how much extrapolation multiplies the variance of a mean: sum c_n^2."""
        return sum(c * c for c in self.weights)


OFF = Mitigation()
