"""``to=merged``: the base with the adapter added to its weights, in files that any program loads."""

import gc
import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel

from qft.errors import QftError, first_line
from qft.evaluation.decoding import stop_tokens
from qft.export import agreement
from qft.export.agreement import Reference
from qft.models import activations, inject, load
from qft.process.memory import free_bytes
from qft.records import Agreement, Plain

log = logging.getLogger(__name__)

SHARD = 2_000_000_000  # bytes of a file of weights, which is all that is copied at a time
HEADROOM = 500_000_000  # bytes: the process itself, and the logits that are compared
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Plan:
    """What a merge writes, and the memory it takes at its peak, in bytes."""

    dtype: torch.dtype
    weights: int
    peak: int


def plan(spec: Plain, wanted: str) -> Plan:
    """Sizes from the architecture alone. Raises QftError for a quantised base, and for more memory than is free.

    Args:
        spec: Options of the base.
        wanted: auto (as the base is stored), fp32, bf16 or fp16.
    """
    base: Any = load.meta_base(spec)
    if base.config.to_dict().get("quantization_config") is not None:
        raise QftError(
            "The base is quantised, and its packed weights cannot take an adapter: give the same model in full "
            "precision (model.path=DIR), or export to=lora, which stands beside the base as it is."
        )
    stored = base.config.dtype if isinstance(base.config.dtype, torch.dtype) else torch.float32
    dtype = stored if wanted == "auto" else DTYPES[wanted]
    numbers = sum(p.numel() for p in base.parameters())
    largest = max(p.numel() for p in base.parameters())
    weights = numbers * dtype.itemsize
    # the model, one file of it as bytes, one weight in float32 with its change
    peak = weights + min(weights, SHARD) + 8 * largest + HEADROOM
    log.info("merging takes up to %.1f GB of memory and %.1f GB of disk", peak / 1e9, weights / 1e9)
    if peak > (free := free_bytes()):
        raise QftError(f"Merging needs {peak / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free.")
    return Plan(dtype, weights, peak)


def write(folder: Path, spec: Plain, adapter: Path, chosen: Plan, tokenizer: Any) -> Agreement:
    """Merge, write, load what was written, and compare its logits with those of the adapter.

    Args:
        folder: An empty directory for the weights and configs of the model.
        spec: Options of the base.
        adapter: The trained adapter, or a whole model from full tuning.
        chosen: As ``plan`` gives it.
        tokenizer: Says which tokens end an answer, which the model's generation_config.json is to know.

    Returns:
        How the logits of the written model differ from those of base and adapter.

    Raises:
        QftError: The adapter cannot be merged into this base, or what was written answers differently.
    """
    model: Any = inject.load_adapter(load.load_base(spec, chosen.dtype), adapter)
    reference = _reference(model)
    layers = len(activations.adapted(model))
    merged = _merged(model)
    merged.generation_config.eos_token_id = stop_tokens(merged, tokenizer)
    merged.save_pretrained(str(folder), max_shard_size=SHARD)
    del model, merged
    gc.collect()
    written = load.load_base({"path": str(folder)}, chosen.dtype)
    found = reference.compare(written)
    limit = agreement.allowed(chosen.dtype, layers)
    if not found.relative <= limit:
        raise QftError(
            f"The merged model's logits differ from the adapter's by {found.relative:.1e} of their size, and rounding "
            f"explains {limit:.1e}: it was not kept. Layers may share weights; export to=lora instead."
        )
    if found.of_change > 0.1:
        log.warning(
            "warning: rounding to %s takes away %.0f%% of what the adapter changes; dtype=fp32 keeps it.",
            chosen.dtype,
            100 * found.of_change,
        )
    return found


def _reference(model: Any) -> Reference:
    tokens = agreement.random_tokens(model)
    adapted = agreement.logits_of(model, tokens)
    if not isinstance(model, PeftModel):
        return Reference(tokens, adapted, None)
    with model.disable_adapter():
        return Reference(tokens, adapted, agreement.logits_of(model, tokens))


def _merged(model: Any) -> Any:
    """The plain model with the adapter in its weights."""
    if not isinstance(model, PeftModel):
        return model
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of tied weights, say: the logits decide
            return model.merge_and_unload(safe_merge=True)
    except (ValueError, NotImplementedError, AttributeError, TypeError) as error:
        raise QftError(f"{first_line(error).rstrip('.')}; export it to=lora instead.") from error
