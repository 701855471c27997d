"""The LoRA of rank r that is nearest to an adapter's response, in closed form.

    min over B (out, r), A (r, in)  of  E |d(x) - B A x|^2        d: what the adapter adds, x: what the layer reads

With S = E[x x^T] + e tr(E[x x^T]) / in I = C C^T (C Cholesky's) and M = E[d x^T] S^-1, which is dW itself where
d(x) = dW x:

    M C = U s V^T,    B = U_r s_r,    A = V_r^T C^-1

What a linear map cannot hold, E|d - M x|^2, does not depend on B A: the fit of a nonlinear response is that of M. Where
the LoRA has a bias, moments about the means take the place of S and E[d x^T], and bias = E[d] - B A E[x].

The share that is explained is 1 - E|d - B A x - bias|^2 / E|d|^2, with a bias / E|d - E[d]|^2: of any tokens, by their
moments, and without the e term.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from qft.models.activations import Moments

RIDGE = 1e-6  # e: directions of the input that hardly occur are left out of a fit


class Factors(NamedTuple):
    """A LoRA of one layer with scale 1: A (r, in), B (out, r), and the bias (out,) where it has one. float64."""

    a: Tensor
    b: Tensor
    bias: Tensor | None = None

    @property
    def rank(self) -> int:
        """r."""
        return len(self.a)


@dataclass(frozen=True)
class Fit:
    """The best LoRAs of all ranks of one layer.

    Attributes:
        strengths: s (min(in, out),), descending: what rank k adds to the explained E|d|^2 is s_k^2.
        left: B at full rank, U s (out, min(in, out)).
        right: A at full rank, V^T C^-1 (min(in, out), in).
        means: E[x] and E[d], where the LoRA has a bias.
    """

    strengths: Tensor
    left: Tensor
    right: Tensor
    means: tuple[Tensor, Tensor] | None

    def factors(self, rank: int) -> Factors:
        """The best LoRA of at most this rank."""
        a, b = self.right[:rank], self.left[:, :rank]
        if self.means is None:
            return Factors(a, b)
        x, d = self.means
        return Factors(a, b, d - b @ (a @ x))

    def kept(self) -> Tensor:
        """Explained E|d|^2 at ranks 1, 2, ... as a share of that at full rank; 1 for a layer that adds nothing."""
        energy = self.strengths.square().cumsum(0)
        return energy / energy[-1] if energy[-1] > 0 else torch.ones_like(energy)

    def cut(self, rank: int) -> "Fit":
        """The same without the factors of higher ranks, which take most of the memory."""
        return Fit(self.strengths, self.left[:, :rank].clone(), self.right[:rank].clone(), self.means)


def best(moments: Moments, weight: Tensor | None = None, bias: bool = False, ridge: float = RIDGE) -> Fit:
    """The best LoRAs of a layer, by the moments of the tokens it is fitted on.

    Args:
        moments: Of inputs and changes.
        weight: dW (out, in) of an adapter whose changes are dW x, exactly; None: changes are regressed on inputs.
        bias: Whether the LoRA may add a constant.
        ridge: e.
    """
    means = (moments.x, moments.d) if bias else None
    if means is not None:
        moments = moments.about(*means)
    c = _cholesky(moments.xx, ridge)
    # E[d x^T] C^-T is M C
    mc = torch.linalg.solve_triangular(c, moments.dx.T, upper=False).T if weight is None else weight.to(c) @ c
    u, strengths, vh = torch.linalg.svd(mc, full_matrices=False)
    right = torch.linalg.solve_triangular(c, vh, upper=False, left=False)
    return Fit(strengths, u * strengths, right, means)


def _cholesky(s: Tensor, ridge: float) -> Tensor:
    """C of S + e tr(S) / in I; e grows tenfold where rounding leaves S with a negative eigenvalue below it."""
    mean, one = s.diagonal().mean(), torch.eye(len(s), dtype=s.dtype, device=s.device)
    if not mean > 0:  # a layer that reads nothing but zeros
        return one
    while True:
        c: Tensor
        c, failed = torch.linalg.cholesky_ex(s + ridge * mean * one)
        if not failed:
            return c
        ridge *= 10


def shares(moments: Moments, fitted: Fit) -> Tensor:
    """What the LoRAs of ranks 1, 2, ... explain of the changes on the tokens of these moments.

    1 for changes that are all zero; below zero for a LoRA that is worse than none.
    """
    whole = moments.dd - (float(moments.d @ moments.d) if fitted.means is not None else 0.0)
    if whole <= 0:
        return torch.ones_like(fitted.right[:, 0])
    m = moments if fitted.means is None else moments.about(*fitted.means)
    a, b = fitted.right, fitted.left
    gram = (b.T @ b) * (a @ m.xx @ a.T)  # sums of its leading blocks are E|B A x|^2
    products = ((b.T @ m.dx) * a).sum(1).cumsum(0)
    squares = gram.cumsum(0).cumsum(1).diagonal()
    explained: Tensor = 1 - (m.dd - 2 * products + squares) / whole
    return explained
