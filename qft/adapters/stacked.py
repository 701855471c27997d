"""What a delta says of itself where tokens are generated, so that a layer takes few kernels."""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor


class Stacked(NamedTuple):
    """y = finish(W x + c + shift, z), with z = rows x + offset from the same product, or z = x where there are no rows.

    ``finish`` takes (t, out) and (t, k) and returns (t, out).
    """

    finish: Callable[[Tensor, Tensor], Tensor]
    rows: Tensor | None = None  # (k, in): they lie below W
    offset: Tensor | None = None  # (k,)
    shift: Tensor | None = None  # (out,): a constant of the delta
