"""Where a hand-written backward may replace torch's ordinary operations, and where those must be run as they are.

``torch.compile``, ``torch.func`` (vmap, jvp, jacrev, ...) and forward-mode derivatives trace ordinary operations of
torch. They cannot see into an ``autograd.Function`` without rules for each of them, nor through checkpointing.
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


def is_traced(*tensors: Tensor) -> bool:
    """Whether torch.compile, torch.func or a forward-mode derivative traces what is computed from ``tensors``."""
    return (
        torch.compiler.is_compiling()
        or torch._C._are_functorch_transforms_active()
        or any(forward_ad.unpack_dual(t).tangent is not None for t in tensors)
    )


def checkpointed(function: Callable[..., Tensor], *args: Tensor) -> Tensor:
    """``function(*args)``, of which only the arguments are stored for the backward; it is called again there."""
    if not torch.is_grad_enabled() or is_traced(*args):
        return function(*args)
    out: Tensor = checkpoint(function, *args, use_reentrant=False, preserve_rng_state=False)
    return out


def cached_constant(function: Callable[P, R]) -> Callable[P, R]:
    """As functools.cache, for results that do not depend on data: torch.compile takes them for constants."""
    cached: Any = functools.cache(function)

    def constant(*args: P.args, **kwargs: P.kwargs) -> tuple[R]:
        return (cached(*args, **kwargs),)  # in a tuple: the compiler takes two bare tensors of one name for one

    # torch.compiler.assume_constant_result does this and no more, but loads the compiler
    constant._dynamo_marked_constant = True  # type: ignore[attr-defined]

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return constant(*args, **kwargs)[0]

    return call
