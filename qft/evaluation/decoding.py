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
    """How answers are written.

    Attributes:
        max_new_tokens: Length limit of an answer.
        batch_size: Prompts that are answered side by side.
        do_sample: False: greedily. True: drawn, with the four below.
        temperature: Divides the logits.
        top_p: Draw from the likeliest tokens that make up this share of the probability.
        seed: Of the draws.
        max_seconds: Time limit of a batch; None: none.
    """

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
    """Ids of the tokens that end an answer: the model's, the tokenizer's, and the end-of-turn tokens of chat models."""
    end = model.generation_config.eos_token_id
    stops = set(end if isinstance(end, list) else [end]) | {tokenizer.eos_token_id}
    vocabulary = tokenizer.get_vocab()
    stops |= {vocabulary[t] for t in ("<|im_end|>", "<|eot_id|>", "<｜end▁of▁sentence｜>") if t in vocabulary}
    return sorted(s for s in stops if s is not None)


def generation_config(decoding: Decoding, stops: list[int], pad: int) -> GenerationConfig:
    """Everything that shapes an answer, stated.

    What is not stated would come from a file of the model: Qwen2's has repetition_penalty=1.05, which also applies to
    greedy decoding.

    Args:
        decoding: How answers are written.
        stops: Ids of the tokens that end an answer.
        pad: Id of the padding token.
    """
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
    """The text of an answer, stripped. <think> and </think> stay, even if the tokenizer calls them special."""
    drop = {*stops, tokenizer.pad_token_id, tokenizer.bos_token_id}
    text: str = tokenizer.decode([i for i in ids if i not in drop], skip_special_tokens=False)
    return text.strip()


def batch_size(model: Any, width: int, all_logits: bool = False) -> int:
    """How many rows fit into memory side by side: a power of two up to LARGEST.

    Args:
        model: What is to be run.
        width: Tokens of a row.
        all_logits: Whether the logits of all tokens are needed, as for a loss, or only those of the last one.

    A row takes the keys and values of all layers, the hidden states of one layer, and its logits in the model's dtype
    and twice in float32. All rows together take at most SHARE of the free memory.
    """
    config = model.config.get_text_config()
    shape = config.to_dict()  # only some families have the next two
    heads = shape.get("num_key_value_heads") or config.num_attention_heads
    head = shape.get("head_dim") or config.hidden_size // config.num_attention_heads
    size = model.dtype.itemsize
    cache = 2 * config.num_hidden_layers * heads * head * size
    hidden = 16 * config.hidden_size * size
    logits = config.vocab_size * (size + 8)
    row = width * (cache + hidden) + (width if all_logits else 1) * logits
    fitting = int(SHARE * free_bytes(model.device) / row)
    return int(min(LARGEST, 1 << max(fitting.bit_length() - 1, 0)))
