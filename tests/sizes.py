"""Sizes of named models and counts on the meta device."""

import torch
from peft import PeftConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, Qwen2Config

QWEN2_7B = {
    "hidden_size": 3584,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "intermediate_size": 18944,
}


def on_meta(config: PeftConfig, **sizes: int) -> PeftModel:
    """A Qwen2 of these sizes with the adapter, without weights."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(Qwen2Config(**sizes))
        return get_peft_model(model, config)


def shapes_of(hidden: int, kv: int, layers: int = 2) -> list[tuple[int, int]]:
    """(in, out) of the query and value projections."""
    return [(hidden, hidden), (hidden, kv)] * layers


def ratio(config, shapes: list[tuple[int, int]]) -> float:
    """Trainable parameters over those of LoRA r = 4."""
    lora = sum(4 * (i + o) for i, o in shapes)
    return sum(config.delta_class.count(i, o, config) for i, o in shapes) / lora
