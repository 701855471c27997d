"""What PEFT's own tests are run over: our methods and their controls, and small random models made here."""

from pathlib import Path
from typing import Any

import torch
import transformers

from qft.adapters import METHODS

# method or control -> its options; a control is of value here where it can be merged and the method cannot
OPTIONS: dict[str, dict[str, Any]] = {
    **{name: {} for name in METHODS},
    "qwthn none": {"circuit": "none"},
    "qwthn polynomial": {"circuit": "polynomial", "mpo": False},
    "qtha none": {"circuit": "none"},
}
# these wrap attention and feed-forward blocks; PEFT's custom models have none
BLOCKS = [name for name, config in METHODS.items() if config.wraps != "linear layers"]
LINEAR_ONLY = [name for name in OPTIONS if name not in BLOCKS]
TARGETS = {  # of PEFT's custom models
    "lin0": ("MLP", {"target_modules": "lin0"}),
    "both": ("MLP", {"target_modules": ["lin0", "lin1"]}),
    "saved": ("MLP", {"target_modules": ["lin0"], "modules_to_save": ["lin1"]}),
    "but": ("MLP", {"target_modules": ["lin0", "lin1"], "exclude_modules": ["lin1"]}),
    "conv1d": ("EmbConv1D", {"target_modules": ["conv1d"]}),
}
CONTROL_TARGETS = ("lin0", "conv1d")
_TOKENS = {"vocab_size": 100, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
_SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
_LONGEST = {"max_position_embeddings": 64}
_GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
_OPT = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "ffn_dim": 48, "word_embed_proj_dim": 32}
_BART = {"d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48}
_BART |= {"encoder_attention_heads": 4, "decoder_attention_heads": 4, "decoder_start_token_id": 2}
_T5 = {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4, "decoder_start_token_id": 0}

# PEFT's test file -> (task, {name: config of a stand-in for the models of that file})
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "test_decoder_models": (
        "CAUSAL_LM",
        {
            "OPTForCausalLM": lambda: transformers.OPTConfig(**_TOKENS, **_OPT, **_LONGEST),
            "GPT2LMHeadModel": lambda: transformers.GPT2Config(**_TOKENS, **_GPT2),
            "LlamaForCausalLM": lambda: transformers.LlamaConfig(**_TOKENS, **_SIZES, **_LONGEST),
            "Qwen2ForCausalLM": lambda: transformers.Qwen2Config(
                **_TOKENS, **_SIZES, **_LONGEST, num_key_value_heads=2
            ),  # its default is 32, whatever the number of heads
        },
    ),
    "test_encoder_decoder_models": (
        "SEQ_2_SEQ_LM",
        {
            "BartForConditionalGeneration": lambda: transformers.BartConfig(**_TOKENS, **_BART, **_LONGEST),
            "T5ForConditionalGeneration": lambda: transformers.T5Config(**_TOKENS, **_T5),
        },
    ),
    "test_feature_extraction_models": (
        "FEATURE_EXTRACTION",
        {"BertModel": lambda: transformers.BertConfig(**_TOKENS, **_SIZES, **_LONGEST)},
    ),
    "test_seq_classifier": (
        "SEQ_CLS",
        {"BertForSequenceClassification": lambda: transformers.BertConfig(**_TOKENS, **_SIZES, **_LONGEST)},
    ),
    "test_token_classification_qa": (
        "TOKEN_CLS",
        {"BertForTokenClassification": lambda: transformers.BertConfig(**_TOKENS, **_SIZES, **_LONGEST)},
    ),
}
WITH_BLOCKS = ("GPT2LMHeadModel", "LlamaForCausalLM", "Qwen2ForCausalLM")


def build_models(folder: Path) -> None:
    """Write each stand-in to ``folder``/its name; weights of deviation 0.1, so that a wrong adapter shows."""
    for _, configs in MODELS.values():
        for name, config in configs.items():
            torch.manual_seed(0)
            model = getattr(transformers, name)(config())
            with torch.no_grad():
                for weight, parameter in model.named_parameters():
                    if "norm" not in weight.lower() and "ln_" not in weight:
                        parameter.normal_(0, 0.1)
            model.save_pretrained(folder / name)


def of(name: str, **more: Any) -> tuple[Any, dict[str, Any]]:
    """(config class, options) of a method or control."""
    return METHODS[name.partition(" ")[0]], {**OPTIONS[name], **more}


def build(name: str, **more: Any) -> Any:
    """The config of a method or control."""
    config_class, options = of(name, **more)
    return config_class(**options)


_LIN0: dict[str, Any] = {"target_modules": ["lin0"]}
# test of mixed batches -> what its two adapters target; the others: one layer, and that and another
_MIXED = {
    "different_target_layers": (_LIN0, {"target_modules": ["lin1"]}),
    "multiple_modules_to_save": (_LIN0 | {"modules_to_save": ["lin1"]},) * 2,
    "unsupported_layer_raises": (_LIN0 | {"modules_to_save": ["gru"]},) * 2,
    "": (_LIN0, {"target_modules": ["lin0", "lin1"]}),
}


def values(file: str, test: str, names: tuple[str, ...], models: Path) -> list[Any] | None:
    """Our rows for what ``test`` of ``file`` is parametrised by; None: leave them as they are."""
    task = MODELS.get(file, ("", {}))[0]
    match names:
        case ("test_name", "model_id", "config_cls", "config_kwargs"):
            rows = [
                (name, target) for name in LINEAR_ONLY for target in (TARGETS if name in METHODS else CONTROL_TARGETS)
            ]
            return [(f"{n} {t}", TARGETS[t][0], *of(n, **TARGETS[t][1])) for n, t in rows]
        case ("test_name", "tuner_method", "config_cls", "config_kwargs_1", "config_kwargs_2"):
            rows = [(name, second) for name in LINEAR_ONLY for second in ("lin0", "lin1")]
            return [(f"{n} {s}", n, *of(n, **_LIN0), of(n, target_modules=[s])[1]) for n, s in rows]
        case ("test_name", "config0", "config1"):
            first, second = next(pair for end, pair in _MIXED.items() if test.endswith(end))
            return [(n, build(n, **first), build(n, **second)) for n in LINEAR_ONLY]
        case ("test_name", "config"):
            return [(n, build(n, **_LIN0)) for n in LINEAR_ONLY]
        case ("config0",):
            return [build(n, **_LIN0) for n in LINEAR_ONLY]
        case ("config_cls",):
            return [METHODS[n] for n in LINEAR_ONLY if n in METHODS]
        case ("config_cls", "config_kwargs"):
            return [of(name, task_type=task) for name in (OPTIONS if task == "CAUSAL_LM" else LINEAR_ONLY)]
        case ("model_id",):
            return [str(models / name) for name in MODELS[file][1]]
    return None


def fits(params: dict[str, Any]) -> bool:
    """False where a method has nothing to be put on."""
    model = params.get("model_id", "")
    return params.get("config_cls") not in [METHODS[name] for name in BLOCKS] or model.endswith(WITH_BLOCKS)
