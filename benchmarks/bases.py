"""Bases to measure on: a directory, or the layer shapes of a named model with random weights."""

import argparse
import copy
from pathlib import Path
from typing import Any

import measure
import peft
import torch
import yaml
from transformers import AutoConfig, AutoModelForCausalLM

import qft.adapters

CONFIGS = Path(__file__).parent.parent / "configs" / "model"
TARGETS = ["q_proj", "v_proj"]


def add_options(options: argparse.ArgumentParser) -> None:
    """Which base: what ``build`` takes."""
    options.add_argument("--model", required=True, help="directory of a base, or a name of configs/model")
    options.add_argument("--layers", type=int, help="only the first so many layers of a named model")
    options.add_argument("--bits", type=int, choices=[4], help="a base quantised to 4 bits (GPU)")


def title(args: argparse.Namespace) -> str:
    """The base chosen, for the title of a table."""
    cut = f", first {args.layers} layers, random weights" if args.layers else ""
    return f"{args.model.rstrip('/').rpartition('/')[2]}{cut}{', 4 bit' if args.bits else ''}"


def build(source: str, layers: int | None, bits: int | None = None) -> Any:
    """``source`` is a model directory or a name of configs/model; ``layers`` keeps only the first so many
    and a small vocabulary.

    bfloat16 on a GPU, float32 on a CPU; ``bits=4`` quantises the frozen weights (bitsandbytes, GPU only).
    """
    place = measure.device()
    dtype = torch.bfloat16 if place == "cuda" else torch.float32
    if (file := CONFIGS / f"{source}.yaml").exists():
        options = dict(yaml.safe_load(file.read_text(encoding="utf-8"))["config"])
        config = AutoConfig.for_model(options.pop("model_type"), **options)
        if layers:
            config.num_hidden_layers = layers
            config.vocab_size = min(config.vocab_size, 4096)  # layers are measured, not the head
            if getattr(config, "layer_types", None):
                config.layer_types = config.layer_types[:layers]
        with torch.device(place):
            model = AutoModelForCausalLM.from_config(config, dtype=dtype)
        return quantised(model) if bits == 4 else model
    return AutoModelForCausalLM.from_pretrained(source, dtype=dtype).to(place)


def quantised(model: Any) -> Any:
    """Every linear layer but the head in 4 bits (nf4), computing in bfloat16."""
    import bitsandbytes as bnb

    for name, module in list(model.named_modules()):
        if isinstance(module, torch.nn.Linear) and not name.endswith("lm_head"):
            new = bnb.nn.Linear4bit(
                module.in_features, module.out_features, module.bias is not None, torch.bfloat16, quant_type="nf4"
            )
            new.weight = bnb.nn.Params4bit(module.weight.data.cpu(), requires_grad=False, quant_type="nf4")
            if module.bias is not None:
                new.bias = torch.nn.Parameter(module.bias.data, requires_grad=False)
            parent, _, leaf = name.rpartition(".")
            setattr(model.get_submodule(parent), leaf, new.to(measure.device()))
    return model


def config(method: str) -> peft.PeftConfig:
    """LoRA r=4 of PEFT, or a method of qft with its defaults; on query and value projections."""
    if method == "lora":
        return peft.LoraConfig(r=4, lora_alpha=8, target_modules=TARGETS, task_type="CAUSAL_LM")
    options = {} if method == "qaa" else {"target_modules": TARGETS}
    return qft.adapters.METHODS[method](task_type="CAUSAL_LM", **options)


def adapted(base: Any, method: str) -> Any:
    """The method on a copy of the base that shares its weights: several 7B models in the memory of one."""
    shared = {id(w): w for w in (*base.parameters(), *base.buffers())}
    return peft.get_peft_model(copy.deepcopy(base, shared), config(method))
