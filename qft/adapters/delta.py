"""One adapter on one layer: the function whose value is added to the layer's output."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from operator import is_
from typing import Any

import torch
from torch import Tensor, nn

from qft.quantum.autodiff import followed

HALF = (torch.bfloat16, torch.float16)


class Delta(nn.Module):
    """y = W x + delta(x). A method of ours is a subclass; ``linear`` ones are affine and can be merged.

    A subclass is built as ``cls(in_features, out_features, config, generator)`` with float32 parameters
    (frozen tensors as buffers), computes in float32 or float64 whatever the base's dtype, and starts at
    exactly zero.
    """

    linear = False
    has_bias = False  # of a linear one: delta(0) is not 0, so that a merge needs a bias to put it in
    reads_output = False  # True: a function of the wrapped block's output, not of its input

    def __init__(self) -> None:
        super().__init__()
        self._kept: tuple[Any] | None = None  # what was prepared
        # the weights it was made of: the dictionaries they stand in, their names there, themselves
        self._made_of: tuple[Any, Any, Any] = ((), (), ())
        self._keep = True

    def prepare(self) -> Any:
        """What depends on the weights alone and is the same for every token."""
        raise NotImplementedError

    def delta(self, x: Tensor, prepared: Any) -> Tensor:
        """Rows x (t, in) in the parameters' dtype -> (t, out)."""
        raise NotImplementedError

    def matrix(self) -> tuple[Tensor, Tensor | None]:
        """Of a linear delta: weight (out, in) and bias (out,) or None."""
        raise NotImplementedError

    @staticmethod
    def count(in_features: int, out_features: int, config: Any) -> int:
        """Trainable parameters by formula."""
        raise NotImplementedError

    def report(self) -> dict[str, Any]:
        """What a run's record should say of this layer after training; most methods have nothing."""
        return {}

    def forward(self, x: Tensor) -> Tensor:
        """x (..., in) of any float dtype -> (..., out), autocast switched off."""
        self._drop_of_others()
        with self.in_float32():
            if torch.is_autocast_enabled(x.device.type):
                with torch.autocast(x.device.type, enabled=False):
                    return self._rows(x)
            return self._rows(x)

    def merged(self) -> tuple[Tensor, Tensor | None]:
        """``matrix()`` in float32 or wider, whatever dtype the weights are kept in."""
        with self.in_float32():
            return self.matrix()

    @contextmanager
    def in_float32(self) -> Iterator[None]:
        """Within it weights kept in half precision read as float32: a bfloat16 angle of 20 is off by up to 0.06."""
        swapped = []
        if next(self.parameters()).dtype in HALF:
            for module in self.modules():
                for tensors in (module._parameters, module._buffers):
                    for name, tensor in tensors.items():
                        if tensor is not None and tensor.dtype in HALF:
                            swapped.append((tensors, name, tensor))
                            tensors[name] = tensor.float()  # type: ignore[assignment]
        try:
            yield
        finally:
            for tensors, name, tensor in swapped:
                tensors[name] = tensor  # type: ignore[assignment]

    def _rows(self, x: Tensor) -> Tensor:
        dtype = torch.float64 if next(self.parameters()).dtype == torch.float64 else torch.float32
        out = self.delta(x.reshape(-1, x.shape[-1]).to(dtype), self.prepared())
        return out.reshape(*x.shape[:-1], out.shape[-1])

    def prepared(self) -> Any:
        """``prepare()``, kept between calls only in evaluation with gradients off.

        Any forward with gradients may be followed by an optimizer step, which no version counter of a
        fused optimizer shows: it drops what was kept, and nothing is kept again before train() or eval().
        Both, .to() and loading weights drop it too; after editing weights by hand, call eval() again. Weights put in
        for one call (torch.func.functional_call) are seen. Nothing is kept of what torch.func follows; a compiled
        graph neither keeps nor uses anything.
        """
        if self.training or torch.is_grad_enabled():
            self.forget()
            self._keep = False
            return self.prepare()
        if torch.compiler.is_compiling():
            return self.prepare()
        if self._kept is not None:
            return self._kept[0]
        prepared = self.prepare()
        if self._keep and not followed(*self.parameters()):
            self._kept = (prepared,)
        return prepared

    def _drop_of_others(self) -> None:
        """Drop what was kept where other weights stand here now than it was made of, and note which do."""
        if not self._keep or self.training or torch.is_grad_enabled() or torch.compiler.is_compiling():
            return
        places, names, weights = self._made_of
        if self._kept is not None and all(map(is_, map(dict.get, places, names), weights)):
            return
        self._kept = None
        holders = [held for m in self.modules() for held in (m._parameters, m._buffers)]
        self._made_of = tuple(zip(*((held, *item) for held in holders for item in held.items())))  # type: ignore[assignment]

    def forget(self) -> None:
        """Drop what ``prepared`` kept."""
        self._kept, self._made_of = None, ((), (), ())

    def train(self, mode: bool = True) -> "Delta":
        self.forget()
        self._keep = True
        return super().train(mode)

    def _apply(self, fn: Any, recurse: bool = True) -> "Delta":
        self.forget()

        def no_half(t: Tensor) -> Tensor:  # model.to(bfloat16) leaves an adapter in float32
            moved = fn(t)
            return t.to(moved.device) if moved.dtype in HALF and t.dtype not in HALF else moved

        return super()._apply(no_half, recurse)

    def keep_in(self, dtype: torch.dtype) -> None:
        """Keep weights and frozen tensors in this dtype; they are computed with in float32 or wider all the same."""
        self.forget()
        for tensor in itertools.chain(self.parameters(), self.buffers()):
            if tensor.is_floating_point():
                tensor.data = tensor.data.to(dtype)

    def __getstate__(self) -> dict[str, Any]:
        return {
            **self.__dict__,
            "_kept": None,
            "_made_of": ((), (), ()),
        }  # a bound circuit can be neither pickled nor shared

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        self.forget()
        super()._load_from_state_dict(*args, **kwargs)
