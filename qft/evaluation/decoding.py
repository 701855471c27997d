"""How answers are written: greedily or drawn, up to which token, how many side by side."""

from dataclasses import dataclass
from typing import Any

from transformers import GenerationConfig

from qft.process.memory import free_bytes
from qft.records import Sampling

LARGEST = 16  # more gains little, and equal sizes on unequal machines keep the rounding of sums equal
SHARE = 0.5  # of the free memory


@dataclass(frozen=True)
class Decoding:
    """How answers are written: greedily, or drawn with ``temperature`` from the tokens that make up ``top_p``."""

    max_new_tokens: int
    batch_size: int
    do_sample: bool = False
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int = 0
    max_seconds: float | None = None

    def recorded(self) -> str | Sampling:
        """For evaluation.json: greedy, or how tokens are drawn."""
        return Sampling(self.temperature, self.top_p, self.seed) if self.do_sample else "greedy"


def stop_tokens(model: Any, tokenizer: Any) -> list[int]:
    """Tokens that end an answer: the model's, the tokenizer's and the chat families' end-of-turn tokens."""
    known = model.generation_config.eos_token_id
    stops = set(known if isinstance(known, list) else [known]) | {tokenizer.eos_token_id}
    vocabulary = tokenizer.get_vocab()
    stops |= {vocabulary[t] for t in ("<|im_end|>", "<|eot_id|>", "<｜end▁of▁sentence｜>") if t in vocabulary}
    return sorted(s for s in stops if s is not None)


def generation_config(decoding: Decoding, stops: list[int], pad: int) -> GenerationConfig:
    """All that shapes an answer, stated: what is left open is taken from the model's own file (Qwen2's has
    repetition_penalty=1.05, which would apply to greedy decoding too)."""
    drawn = {"temperature": decoding.temperature, "top_p": decoding.top_p, "top_k": 0} if decoding.do_sample else {}
    return GenerationConfig(
        max_new_tokens=decoding.max_new_tokens,
        max_time=decoding.max_seconds,
        do_sample=decoding.do_sample,
        num_beams=1,
        repetition_penalty=1.0,
        no_repeat_ngram_size=0,
        eos_token_id=stops,
        pad_token_id=pad,
        **drawn,
    )


def decode(tokenizer: Any, ids: list[int], stops: list[int]) -> str:
    """Text of an answer. <think> and </think> stay, even where a tokenizer calls them special."""
    drop = {*stops, tokenizer.pad_token_id, tokenizer.bos_token_id}
    kept = [i for i in ids if i not in drop]
    return tokenizer.decode(kept, skip_special_tokens=False).strip()


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
