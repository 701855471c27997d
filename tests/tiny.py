"""Tiny random causal language models of three families; nothing is downloaded."""

import torch
from transformers import AutoModelForCausalLM, GPT2Config, GPTNeoConfig, LlamaConfig, PreTrainedModel, Qwen2Config

VOCAB = 97
_TOKENS = {"vocab_size": VOCAB, "bos_token_id": 1, "eos_token_id": None, "pad_token_id": 0}
_LLAMA = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
}
CONFIGS = {
    "qwen2": lambda: Qwen2Config(**_TOKENS, **_LLAMA),  # projections with bias
    "llama": lambda: LlamaConfig(**_TOKENS, **_LLAMA),  # without
    "gpt_neo": lambda: GPTNeoConfig(
        **_TOKENS,
        hidden_size=32,
        num_layers=2,
        num_heads=4,
        intermediate_size=48,
        attention_types=[[["global", "local"], 1]],
        window_size=8,
        max_position_embeddings=64,
    ),
}
# These stand for the code that all methods share (layer, tuner, cache) and run everywhere: qwthn adds, cua turns the
# input, quic the output, qaa wraps blocks, and the layers of lorta share. The others have mathematics of their own on
# top: one family shows its faults.
EVERY_FAMILY = ("cua", "lorta", "qaa", "quic", "qwthn")
# one that few tests need: its layers are Conv1D, which store a weight as (in, out)
GPT2 = {"gpt2": lambda: GPT2Config(**_TOKENS, n_embd=32, n_layer=2, n_head=4, n_positions=64)}


def build(family: str, dtype: torch.dtype = torch.float32, seed: int = 1) -> PreTrainedModel:
    """A model in evaluation mode whose weights depend on ``seed`` alone; the global generator is left as it was.

    Weights are drawn with deviation 0.1 where transformers takes 0.02, biases too where it takes 0: otherwise
    attention is flat and a wrong adapter hardly shows in the logits.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config((CONFIGS | GPT2)[family]())
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "norm" not in name and "ln_" not in name:
                    parameter.normal_(0, 0.1)
    return model.to(dtype).eval()


def runs_on(method: str, family: str) -> bool:
    """Whether ``make test`` tests this method on this family; ``make test-all`` tests all on all."""
    return method in EVERY_FAMILY or family == "qwen2"


def tokens(rows: int = 2, length: int = 7, seed: int = 3) -> torch.Tensor:
    """Token ids (rows, length), none of them special."""
    return torch.randint(2, VOCAB, (rows, length), generator=torch.Generator().manual_seed(seed))
