"""Measurements drawn from the exact distribution of their outcomes."""

import torch
from torch import Tensor


def frequencies(probabilities: Tensor, shots: int, generator: torch.Generator) -> Tensor:
    """Shares of each outcome among ``shots`` joint measurements.

    Args:
        probabilities: (outcomes, t), columns adding up to 1; what is below 0 by rounding counts as 0.
        shots: Measurements of each column.
        generator: On the device of ``probabilities``.

    Returns:
        (outcomes, t), in the dtype of ``probabilities``: multinomial counts divided by ``shots``, by one binomial an
        outcome.
    """
    p = probabilities.double().clamp_min(0)
    rest = p.flip(0).cumsum(0).flip(0)  # of this outcome and all later ones
    left = torch.full_like(p[0], shots)
    counts = torch.empty_like(p)
    for k in range(len(p) - 1):
        share = (p[k] / rest[k].clamp_min(1e-300)).clamp(0, 1)
        counts[k] = torch.binomial(left, share, generator=generator)
        left = left - counts[k]
    counts[-1] = left
    return (counts / shots).to(probabilities.dtype)
