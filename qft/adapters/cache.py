"""Keeps what an adapter computes of its weights alone, between calls in which no weight can change.

Only in evaluation mode with gradients off. Any forward with gradients may be followed by an optimizer step, which no
version counter of a fused optimizer shows: it drops what was kept and closes the cache until train() or eval() is
called. Both, ``.to()`` and loading weights clear it too; after editing weights by hand, call eval() again. Weights put
in for one call (``torch.func.functional_call``) are seen. Nothing is kept of what torch.func follows, and a compiled
graph neither keeps nor uses anything.
"""

from collections.abc import Callable, Iterable
from operator import is_
from typing import Any

import torch
from torch import Tensor, nn

from qft.quantum.autodiff import is_traced


class WeightCache:
    """The one value kept for one module; it belongs to the module and is never copied with it."""

    def __init__(self) -> None:
        self._open = True  # closed by a forward with gradients
        self.clear()

    @property
    def keeps(self) -> bool:
        """False once a forward with gradients has closed the cache."""
        return self._open

    @property
    def kept(self) -> tuple[Any] | None:
        """What is kept, as it is: another object whenever it was made anew; None where nothing is."""
        return self._kept

    def clear(self) -> None:
        """Drop what is kept."""
        self._kept: tuple[Any] | None = None
        # the weights it was made of: the dictionaries they stand in, their names there, themselves
        self._made_of: tuple[Any, Any, Any] = ((), (), ())

    def reopen(self) -> None:
        """Drop what is kept, and keep again: the module was told train() or eval()."""
        self.clear()
        self._open = True

    def check(self, module: nn.Module, modules: Callable[[], Iterable[nn.Module]]) -> tuple[Any] | None:
        """Drop what is kept where other weights stand in ``modules()`` now than it was made of, and note which do.

        Returns what is kept and may be used, as it is: another object whenever it was made anew.
        """
        if not self._open or module.training or torch.is_grad_enabled() or torch.compiler.is_compiling():
            return None
        places, names, weights = self._made_of
        if self._kept is not None and all(map(is_, map(dict.get, places, names), weights)):
            return self._kept
        self._kept = None
        holders = [held for m in modules() for held in (m._parameters, m._buffers)]
        self._made_of = tuple(zip(*((held, *item) for held in holders for item in held.items())))  # type: ignore[assignment]
        return None

    def get(self, module: nn.Module, weights: Callable[[], Iterable[Tensor]], compute: Callable[[], Any]) -> Any:
        """What is kept, else ``compute()``, which is kept where that is safe."""
        if module.training or torch.is_grad_enabled():
            self.clear()
            self._open = False
            return compute()
        if torch.compiler.is_compiling():
            return compute()
        if self._kept is not None:
            return self._kept[0]
        value = compute()
        if self._open and not is_traced(*weights()):
            self._kept = (value,)
        return value

    def __getstate__(self) -> dict[str, bool]:
        return {"_open": self._open}  # a bound circuit can be neither pickled nor shared

    def __setstate__(self, state: dict[str, bool]) -> None:
        self.clear()
        self._open = state["_open"]
