"""Where a hand-written backward may stand in for ordinary operations, and where those must be run as they are.

``torch.compile``, ``torch.func`` (vmap, jvp, jacrev, ...) and forward-mode derivatives follow ordinary operations of
torch. They see into no ``autograd.Function`` without rules for each of them, and not through checkpointing.
"""

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.utils.checkpoint import checkpoint

P = ParamSpec("P")
R = TypeVar("R")


def followed(*tensors: Tensor) -> bool:
    """Whether one of them follows what is computed now from ``tensors``."""
    return (
        torch.compiler.is_compiling()
        or torch._C._are_functorch_transforms_active()
        or any(forward_ad.unpack_dual(t).tangent is not None for t in tensors)
    )


def recomputed(function: Callable[..., Tensor], *args: Tensor) -> Tensor:
    """``function(*args)``, which keeps its arguments alone for the backward and is called again there."""
    if not torch.is_grad_enabled() or followed(*args):
        return function(*args)
    out: Tensor = checkpoint(function, *args, use_reentrant=False, preserve_rng_state=False)
    return out


def kept(function: Callable[P, R]) -> Callable[P, R]:
    """As functools.cache, for what does not depend on data: torch.compile takes the result for a constant."""
    cached: Any = functools.cache(function)

    def constant(*args: P.args, **kwargs: P.kwargs) -> tuple[R]:
        return (cached(*args, **kwargs),)  # in a tuple: the compiler takes two bare tensors of one name for one

    # torch.compiler.assume_constant_result does this and no more, but loads the compiler
    constant._dynamo_marked_constant = True  # type: ignore[attr-defined]

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return constant(*args, **kwargs)[0]

    return call
