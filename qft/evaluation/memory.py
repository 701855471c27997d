"""How many answers fit side by side into the memory that is free."""

from typing import Any

from qft.process.memory import free_bytes

LARGEST = 16  # more gains little, and equal sizes on unequal machines keep the rounding of sums equal
SHARE = 0.5  # of the free memory


def batch_size(model: Any, width: int, all_logits: bool = False) -> int:
    """A power of two up to LARGEST, such that rows of ``width`` tokens take at most SHARE of the free memory.

    A row takes its keys and values of all layers, the hidden states of one layer, and logits: of its last token,
    or of all of them (``all_logits``, for a loss), in the model's dtype and twice in float32.
    """
    config = model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    size = model.dtype.itemsize
    cache = 2 * config.num_hidden_layers * heads * head * size
    hidden = 16 * config.hidden_size * size
    logits = config.vocab_size * (size + 8)
    row = width * (cache + hidden) + (width if all_logits else 1) * logits
    fitting = int(SHARE * free_bytes(model.device) / row)
    return min(LARGEST, 1 << max(fitting.bit_length() - 1, 0))
