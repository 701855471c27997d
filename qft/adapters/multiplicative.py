"""Adapters that turn a layer's input or output instead of adding to it.

    input side     y = W (Q x) + c        delta.forward(x) is Q x
    output side    y = R (W x) + c        delta.forward(z) is R z, z = W x without the bias c

A turn is the identity at the start. Beside others it counts as what it changes, W (Q x - x) or R z - z, so that several
adapters of any kind add up. Alone on the input side it needs no second product with W.
"""

from typing import Any

from torch import Tensor, nn

from qft.adapters.delta import Delta


class InputDelta(Delta):
    """y = W (Q x) + c. A subclass defines ``precompute``, ``compute`` (Q x), ``compute_transposed`` and ``count``."""

    linear = True
    side = "input"

    def compute_transposed(self, rows: Tensor, precomputed: Any) -> Tensor:
        """Q^T on rows (t, in) -> (t, in)."""
        raise NotImplementedError

    def merged(self, weight: Tensor) -> tuple[Tensor, None]:
        """W Q - W: Q^T on each row of W."""
        with self.in_float32():
            rows = weight.to(widest(self))
            return self.compute_transposed(rows, self.precompute()) - rows, None


class OutputDelta(Delta):
    """y = R (W x) + c. A subclass defines ``precompute``, ``compute`` (R z) and ``count``."""

    linear = True
    side = "output"

    def merged(self, weight: Tensor) -> tuple[Tensor, None]:
        """R W - W: R on each column of W."""
        with self.in_float32():
            columns = weight.to(widest(self)).T
            return (self.compute(columns, self.precompute()) - columns).T, None


def widest(delta: Delta) -> Any:
    """The dtype a delta computes in."""
    return next(delta.weights()).dtype


def turned(delta: Delta, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a layer with the first of them, its input x, replaced by Q x."""
    if args:
        return (delta(args[0]).to(args[0].dtype), *args[1:]), kwargs
    name, x = next(iter(kwargs.items()))
    return args, {**kwargs, name: delta(x).to(x.dtype)}


def change_of(delta: Delta, layer: nn.Module, output: Tensor, given: Tensor) -> Tensor:
    """What a turn changes of ``output``, which is what ``layer`` gives for the input ``given``.

    The layer is only called, so that its weight may be quantised; what it adds as a bias is taken off.
    """
    bias = getattr(layer, "bias", None)
    if delta.side == "input":
        product: Tensor = layer((delta(given) - given).to(given.dtype))
        return product if bias is None else product - bias
    alone = output if bias is None else output - bias
    after: Tensor = delta(alone)
    return after - alone
