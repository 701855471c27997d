"""Additive adapters of low rank whose factors are made of other numbers: contracted once a step to LoRA's two.

    y = W x + B (A x)        A: (r, in), B: (out, r), made once a step of the method's own parameters

A token then costs and keeps what LoRA of rank r does, whatever the factors are made of.
"""

import torch
from torch import Tensor

from qft.adapters.delta import Delta
from qft.adapters.stacked import Stacked
from qft.errors import QftError


class FactorDelta(Delta):
    """A linear delta B A. A subclass defines ``factors`` and ``count``."""

    linear = True

    def factors(self) -> tuple[Tensor, Tensor]:
        """A (r, in) and B (out, r), the scale folded into B; one of them zero at the start."""
        raise NotImplementedError

    def precompute(self) -> tuple[Tensor, Tensor]:
        return self.factors()

    def compute(self, x: Tensor, precomputed: tuple[Tensor, Tensor]) -> Tensor:
        a, b = precomputed
        return (x @ a.T) @ b.T

    def stacked(self, precomputed: tuple[Tensor, Tensor]) -> Stacked:
        a, b = precomputed
        return Stacked(lambda y, z: torch.addmm(y, z, b.T), rows=a)

    def low_rank(self) -> tuple[Tensor, Tensor]:
        with self.in_float32():
            return self.factors()

    def matrix(self) -> tuple[Tensor, None]:
        a, b = self.factors()
        return b @ a, None


def check_rank(method: str, r: int, in_features: int, out_features: int) -> None:
    """Raise QftError where no matrix of these sizes has rank r."""
    most = min(in_features, out_features)
    if r > most:
        raise QftError(f"{method}: r={r} is above what a layer of {in_features} x {out_features} has; at most {most}.")
