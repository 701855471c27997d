"""Index tensors that depend on sizes alone, made once."""

from collections.abc import Callable
from functools import cache, wraps

import torch
from torch import Tensor


def constant(build: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Keep what ``build`` returns for its arguments: on the CPU, and fit for autograd, whoever asks first.

    A tensor kept from within ``torch.device("meta")`` would hold nothing, and one kept from within
    ``torch.inference_mode()`` could not be saved for a backward pass.
    """

    @cache
    @wraps(build)
    def kept(*sizes: object) -> Tensor:
        with torch.inference_mode(False), torch.device("cpu"):
            return build(*sizes)

    return kept
