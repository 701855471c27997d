"""One adapter on one layer: the function whose value is added to the layer's output."""

from typing import Any

import torch
from torch import Tensor, nn


class Delta(nn.Module):
    """y = W x + delta(x). A method of ours is a subclass; ``linear`` ones are affine and can be merged.

    A subclass is built as ``cls(in_features, out_features, config, generator)`` with float32 parameters
    (frozen tensors as buffers), computes in float32 or float64 whatever the base's dtype, and starts at
    exactly zero.
    """

    linear = False

    def __init__(self) -> None:
        super().__init__()
        self._prepared: Any = None

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

    def forward(self, x: Tensor) -> Tensor:
        """x (..., in) of any float dtype -> (..., out), autocast switched off."""
        dtype = next(self.parameters()).dtype
        dtype = dtype if dtype == torch.float64 else torch.float32
        with torch.autocast(x.device.type, enabled=False):
            out = self.delta(x.reshape(-1, x.shape[-1]).to(dtype), self.prepared())
        return out.reshape(*x.shape[:-1], out.shape[-1])

    def prepared(self) -> Any:
        """``prepare()``, kept between calls only in evaluation with gradients off.

        Any forward with gradients may be followed by an optimizer step, which no version counter of a
        fused optimizer shows: it drops what was kept. So do train(), eval(), .to() and loading weights;
        after editing weights by hand in evaluation mode, call eval() again.
        """
        if self.training or torch.is_grad_enabled():
            self.forget()
            return self.prepare()
        if self._prepared is None:
            self._prepared = self.prepare()
        return self._prepared

    def forget(self) -> None:
        """Drop what ``prepared`` kept."""
        self._prepared = None

    def train(self, mode: bool = True) -> "Delta":
        self.forget()
        return super().train(mode)

    def _apply(self, fn: Any, recurse: bool = True) -> "Delta":
        self.forget()
        return super()._apply(fn, recurse)

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        self.forget()
        super()._load_from_state_dict(*args, **kwargs)
