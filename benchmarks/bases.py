"""Bases to measure on, and the methods of the library: found, not listed."""

import argparse
import copy
from pathlib import Path
from typing import Any

import measure
import torch
import yaml
from transformers import AutoConfig, AutoModelForCausalLM

from qft.adapters import methods

CONFIGS = Path(__file__).parent.parent / "configs"
TARGETS = ["q_proj", "v_proj"]
MADE = "made-4m"
# the shapes of a small base of 4 M parameters, with random weights where no such base is at hand
MADE_OPTIONS = {
    "model_type": "qwen2",
    "hidden_size": 224,
    "intermediate_size": 576,
    "num_hidden_layers": 5,
    "num_attention_heads": 7,
    "num_key_value_heads": 1,
    "vocab_size": 6144,
    "max_position_embeddings": 1024,
    "tie_word_embeddings": True,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "pad_token_id": 0,
}


def add_options(options: argparse.ArgumentParser) -> None:
    """Which base: what ``build`` takes."""
    options.add_argument("--model", required=True, help=f"directory of a base, a name of configs/model, or {MADE}")
    options.add_argument("--layers", type=int, help="only the first so many layers of a named model")
    options.add_argument("--bits", type=int, choices=[4], help="a base quantised to 4 bits (GPU)")


def title(args: argparse.Namespace) -> str:
    """The base chosen, for the title of a table."""
    cut = f", first {args.layers} layers, random weights" if args.layers else ""
    return f"{args.model.rstrip('/').rpartition('/')[2]}{cut}{', 4 bit' if args.bits else ''}"


def build(source: str, layers: int | None, bits: int | None = None) -> Any:
    """``source`` is a model directory, a name of configs/model or MADE; ``layers`` keeps only the first so many
    of a named model and a small vocabulary.

    bfloat16 on a GPU, float32 on a CPU; ``bits=4`` quantises the frozen weights (bitsandbytes, GPU only).
    """
    place = measure.device()
    dtype = torch.bfloat16 if place == "cuda" else torch.float32
    file = CONFIGS / "model" / f"{source}.yaml"
    if source == MADE or file.exists():
        torch.manual_seed(0)
        options = dict(MADE_OPTIONS if source == MADE else yaml.safe_load(file.read_text(encoding="utf-8"))["config"])
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


def method_names() -> list[str]:
    """Every method of configs/adapter that is complete as it stands."""
    files = sorted((CONFIGS / "adapter").glob("*.yaml"))
    return [file.stem for file in files if "???" not in (spec := spec_of(file.stem)).values() and "_target_" in spec]


def spec_of(name: str) -> dict[str, Any]:
    """The yaml of a method; what it leaves to a model's yaml is left open, for the method's own rule."""
    content = yaml.safe_load((CONFIGS / "adapter" / f"{name}.yaml").read_text(encoding="utf-8"))
    return {"name": name} | {key: None if str(value).startswith("${") else value for key, value in content.items()}


def adapted(base: Any, name: str) -> Any:
    """A method with its defaults, linear ones on query and value projections, on a copy of the base.

    The copy shares the base's weights, several 7B models in the memory of one, but where the method trains them.
    """
    method = methods.of(spec_of(name))
    shared = {} if method.trains_base else {id(w): w for w in (*base.parameters(), *base.buffers())}
    return method.add_to(copy.deepcopy(base, shared), TARGETS, seed=0)
