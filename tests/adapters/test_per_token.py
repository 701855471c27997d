"""Nothing of the inner width exists per token: the tensor trains are contracted to rank r first."""

import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from qft.adapters import QTHAConfig, QWTHNConfig


class Sizes(TorchDispatchMode):
    """Collects the shape of every tensor any operation returns."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[int, ...]] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for value in out if isinstance(out, tuple | list) else (out,):
            if isinstance(value, torch.Tensor):
                self.shapes.append(tuple(value.shape))
        return out


@pytest.mark.parametrize("method", [QWTHNConfig, QTHAConfig])
def test_no_intermediate_of_the_inner_width_exists_per_token(method) -> None:
    """997 tokens, inner width 40, 3^4 terms: nothing of 997 x 40 or 997 x 81 elements, forward or backward.

    (Of a few tokens all 81 terms are written out: never more than 2^16 numbers in all, see response.py.)
    """
    tokens, width = 997, 40
    config = method(width=width, bond_dim=2)
    delta = config.delta_class(64, 48, config, None)
    torch.nn.init.normal_(delta.mpo_b[-1])
    x = torch.randn(tokens, 64, requires_grad=True)
    with Sizes() as seen:
        delta(x).sum().backward()
    per_token = [s for s in seen.shapes if tokens in s and any(n % width == 0 for n in s if n != tokens and n != 64)]
    assert not per_token, per_token
    # the largest thing per token beside x (64) and y (48) are QWTHN's 4 outputs x 9 half-terms and QTHA's 16 amplitudes
    assert max(math.prod(s) // tokens for s in seen.shapes if tokens in s) <= 64
