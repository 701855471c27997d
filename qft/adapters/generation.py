"""Generation with few kernels a layer: the first factor of an adapter lies as extra rows below the layer's weight.

    with generating(model):
        model.generate(**inputs, max_new_tokens=100)

    [W; a] x + [c; a0]  =  W x + c, z        one product in place of two, then what the adapter does with z

Generating a token takes so little arithmetic that calls of kernels are most of its time. Within the context a layer of
one active adapter calls no module: one product with [W; a], the adapter's middle, and one product that adds to W x. A
prompt of many tokens takes two products, from the same rows. The results equal the usual ones within rounding. W is
kept in that buffer alone, so that the memory grows by the r rows of a; at the end it is put back, bit for bit. Whatever
the usual way handles and this one does not, it is asked for: gradients, training mode, several adapters, mixed batches,
hooks on the layer, autocast, torch.compile. Layers whose weight is quantised, sharded, tied, not of the adapter's dtype
or of another type than ``torch.nn.Linear`` stay as they are.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from qft.adapters.delta import Delta
from qft.adapters.layer import QftLayer
from qft.adapters.stacked import Stacked

FEW = 64  # tokens up to which one product with odd sizes is faster than two: calls of kernels are what it saves


@contextmanager
def generating(model: nn.Module) -> Iterator[None]:
    """Within it ``model`` generates faster; a model without adapters of ours is left as it is.

    The weights of the base must not be edited within it; those of adapters may be, as in any evaluation.
    """
    weights = (p for module in model.modules() for p in module._parameters.values() if p is not None)
    stored = Counter(p.untyped_storage().data_ptr() for p in weights if type(p.data) is Tensor)
    with ExitStack() as layers:
        for layer in (m for m in model.modules() if isinstance(m, QftLayer)):
            if _fits(layer, stored):
                layers.callback(_Fused(layer).leave)
        yield


def _fits(layer: QftLayer, stored: Counter[int]) -> bool:
    """Whether the layer's weight is a plain one that nothing else shares."""
    base: Any = layer.base_layer
    if type(base) is not nn.Linear or "forward" in vars(base) or "forward" in vars(layer):
        return False
    weight = base.weight
    plain = type(weight) is nn.Parameter and type(weight.data) is Tensor and not weight.is_meta
    return plain and weight.is_floating_point() and stored[weight.untyped_storage().data_ptr()] == 1


class _Fused:
    """One layer within the context: takes the place of its ``forward``, which stays the way of everything unusual."""

    def __init__(self, layer: QftLayer) -> None:
        self.layer, self.usual = layer, layer.forward
        self.base: Any = layer.base_layer
        self.out = layer.out_features
        self.buffer: Tensor | None = None  # [W; a]; None as long as there are no rows below W
        self.place = 0  # where it lies; W lies elsewhere once something else was put in its place
        self.delta: Delta | None = None
        self.active: Any = None  # the layer's active adapters when the following were made
        self.made_of: Any = None  # what the adapter's cache held then
        self.stacked: Stacked | None = None
        self.bias: Tensor | None = None
        layer.forward = self.forward  # type: ignore[method-assign]

    def leave(self) -> None:
        """Give the layer its ``forward`` and its weight back."""
        del self.layer.__dict__["forward"]
        self._take_rows_off()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """As the layer's own."""
        if len(args) != 1 or kwargs or not (self._ready(args[0]) or self._make(args[0])):
            return self.usual(*args, **kwargs)
        x: Tensor = args[0]
        stacked, out = self.stacked, self.out
        assert stacked is not None
        rows = x.reshape(-1, x.shape[-1])
        if self.buffer is None:
            value = stacked.finish(nn.functional.linear(rows, self.base.weight, self.bias), rows)
        elif len(rows) <= FEW:
            both = nn.functional.linear(rows, self.buffer, self.bias)
            value = stacked.finish(both.narrow(1, 0, out), both.narrow(1, out, both.shape[1] - out))
        else:
            bias, more = (None, None) if self.bias is None else self.bias.tensor_split([out])
            y = nn.functional.linear(rows, self.buffer[:out], bias)
            value = stacked.finish(y, nn.functional.linear(rows, self.buffer[out:], more))
        return value.view(*x.shape[:-1], out)

    def _ready(self, x: Tensor) -> bool:
        """Whether this is the usual case, with the adapter and its weights of the last call."""
        layer, delta = self.layer, self.delta
        if delta is None or self.stacked is None or layer._active_adapter != self.active or not self._usual_case(x):
            return False
        kept = delta._cache.check(delta, delta.holders)
        moved = self.buffer is not None and self.base._parameters["weight"].data_ptr() != self.place
        return kept is not None and kept is self.made_of and not moved

    def _usual_case(self, x: Tensor) -> bool:
        layer, base = self.layer, self.base
        if layer._disable_adapters or layer.merged_adapters or base._forward_hooks or base._forward_pre_hooks:
            return False
        traced = torch.is_grad_enabled() or torch._C._are_functorch_transforms_active()
        same = x.dtype == base._parameters["weight"].dtype
        return same and not traced and not torch.is_autocast_enabled(x.device.type)

    def _make(self, x: Tensor) -> bool:
        """Put the active adapter's rows below W; false where it has another way or nothing may be kept of it."""
        layer, weight = self.layer, self.base.weight
        self.stacked, names = None, layer.active_adapters
        if len(names) != 1 or names[0] not in layer.qft_delta or not self._usual_case(x):
            return False
        delta = layer.qft_delta[names[0]]
        delta._cache.check(delta, delta.holders)
        keeps = delta._cache.keeps and not delta.training and not torch.compiler.is_compiling()
        if not keeps or next(delta.weights()).dtype != weight.dtype:
            return False
        value = delta._cache.get(delta, delta.weights, delta.precompute)
        kept = delta._cache.kept
        if kept is None or (stacked := delta.stacked(value)) is None:
            return False
        with torch.inference_mode(False), torch.no_grad():  # the base's weights outlive this mode
            self._put(stacked)
        active = layer._active_adapter
        self.active = list(active) if isinstance(active, list) else active
        self.delta, self.made_of, self.stacked = delta, kept, stacked._replace(rows=None)
        return True

    def _put(self, stacked: Stacked) -> None:
        weight, bias, out = self.base.weight, self.base.bias, self.out
        count = 0 if stacked.rows is None else len(stacked.rows)
        if self.buffer is None or len(self.buffer) != out + count or weight.data_ptr() != self.place:
            self._take_rows_off()
            if stacked.rows is not None:
                self.buffer = weight.new_empty(out + count, weight.shape[1])
                self.buffer[:out] = weight
                weight.data = self.buffer[:out]
                self.place = weight.data_ptr()
        if stacked.rows is not None and self.buffer is not None:
            self.buffer[out:] = stacked.rows
        self.bias = None
        if any(constant is not None for constant in (bias, stacked.shift, stacked.offset)):
            self.bias = weight.new_zeros(out + count)
            for constant in (bias, stacked.shift):
                if constant is not None:
                    self.bias[:out] += constant
            if stacked.offset is not None:
                self.bias[out:] = stacked.offset

    def _take_rows_off(self) -> None:
        """Keep W alone again, if it still lies in the buffer."""
        weight = self.base.weight
        if self.buffer is not None and weight.data_ptr() == self.place:
            with torch.inference_mode(False), torch.no_grad():
                weight.data = weight.data.clone()
        self.buffer = None
