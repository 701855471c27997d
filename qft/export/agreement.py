"""Whether two models answer alike: their logits on the same random tokens."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from qft.records import Agreement

ROWS, LENGTH, SEED = 4, 64, 20240607
ROUNDINGS = 16.0  # units in the last place that a path through one adapted layer may be off by, root mean square


@dataclass(frozen=True)
class Reference:
    """Logits (rows, tokens, vocabulary) of the adapted model and of its base, on the CPU; tokens (rows, tokens)."""

    tokens: Tensor
    adapted: Tensor
    base: Tensor | None

    def compare(self, model: Any) -> Agreement:
        """The model's logits beside those of the adapted one."""
        logits = logits_of(model, self.tokens)
        difference = logits - self.adapted
        changed = None if self.base is None else _rms(self.adapted - self.base)
        return Agreement(
            positions=self.tokens.numel(),
            largest=difference.abs().max().item(),
            relative=_rms(difference) / max(_rms(self.adapted), 1e-30),
            of_change=_rms(difference) / max(changed, 1e-30) if changed else 0.0,
            same_token=float((logits.argmax(-1) == self.adapted.argmax(-1)).float().mean()),
        )


def random_tokens(model: Any) -> Tensor:
    """Ids (rows, tokens) that the model has embeddings for, the same for every model of its vocabulary."""
    size = model.config.get_text_config().vocab_size
    return torch.randint(size, (ROWS, LENGTH), generator=torch.Generator().manual_seed(SEED))


@torch.no_grad()
def logits_of(model: Any, tokens: Tensor) -> Tensor:
    """Logits in float32 on the CPU."""
    model.eval()
    logits: Tensor = model(input_ids=tokens.to(model.device), use_cache=False).logits
    return logits.float().cpu()


def allowed(dtype: torch.dtype, layers: int) -> float:
    """The relative difference of logits up to which two orders of the same sums are equal within rounding.

    Each adapted layer's output is rounded on its own; what is random adds up as a square root.
    """
    return ROUNDINGS * float(torch.finfo(dtype).eps) * math.sqrt(max(1, layers))


def _rms(values: Tensor) -> float:
    return math.sqrt(values.double().square().mean().item())
