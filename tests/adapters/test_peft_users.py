"""What a user of PEFT does: docs/peft.md as it is written, Trainer with every method, and what is refused."""

import re
from pathlib import Path

import pytest
import tiny
import torch
from datasets import Dataset
from peft import (
    PeftModel,
    convert_to_lora,
    get_layer_status,
    get_peft_model,
    get_peft_model_state_dict,
    inject_adapter_in_model,
)
from peft.utils.hotswap import hotswap_adapter
from transformers import AutoTokenizer, Qwen2Config, Qwen2ForCausalLM, Trainer, TrainingArguments

import qft
import qft.adapters

CONFIGS = [config for _, config in sorted(qft.adapters.METHODS.items())]
QUIET = dict(max_steps=3, per_device_train_batch_size=2, learning_rate=1e-2, use_cpu=True, disable_tqdm=True)
QUIET |= dict(save_strategy="no", report_to=[], dataloader_pin_memory=False)


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(Path(qft.__file__).parent / "models/demo")


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: c.method)
def test_trainer(config, tmp_path: Path) -> None:
    base = tiny.build("qwen2")
    rows = [{"input_ids": torch.randint(1, 97, (12,))} for _ in range(6)]
    rows = [row | {"labels": row["input_ids"]} for row in rows]
    model = get_peft_model(base, config(task_type="CAUSAL_LM", init_seed=0))
    before = {n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}
    Trainer(model, TrainingArguments(str(tmp_path / "out"), **QUIET), train_dataset=rows).train()
    changed = [n for n, p in model.named_parameters() if p.requires_grad and not torch.equal(before[n], p)]
    assert changed, "training moved nothing"
    model.save_pretrained(tmp_path / "adapter")
    inputs = torch.randint(1, 97, (2, 7))
    answer = model.eval().generate(input_ids=inputs, max_new_tokens=5, do_sample=False)

    torch.manual_seed(99)
    loaded = PeftModel.from_pretrained(tiny.build("qwen2"), tmp_path / "adapter").eval()
    assert torch.equal(loaded(inputs).logits, model(inputs).logits)
    assert torch.equal(loaded.generate(input_ids=inputs, max_new_tokens=5, do_sample=False), answer)


@pytest.mark.filterwarnings("ignore")  # the library's own, which change with each release
def test_the_page_runs(tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 2, "num_key_value_heads": 1}
    page = (Path(__file__).parents[2] / "docs" / "peft.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    given = tokenizer(["1 + 1 =", "2 + 2 =", "3 + 3 ="], return_tensors="pt")
    here = {
        "rows": [{"input_ids": given.input_ids[0], "labels": given.input_ids[0]}] * 6,
        "texts": Dataset.from_dict({"text": ["1 + 1 = 2", "2 + 2 = 4", "3 + 3 = 6", "4 + 4 = 8"] * 2}),
        "tokenizer": tokenizer,
        "inputs": {"input_ids": given.input_ids, "attention_mask": given.attention_mask},
    }
    monkeypatch.chdir(tmp_path)
    for block in blocks:
        torch.manual_seed(0)
        here["base"] = Qwen2ForCausalLM(Qwen2Config(num_hidden_layers=2, vocab_size=len(tokenizer), **sizes))
        exec(compile(block, "docs/peft.md", "exec"), here)
    assert len(blocks) == 5
    assert (tmp_path / "adapter" / "adapter_model.safetensors").is_file()


def build(**options):
    return get_peft_model(tiny.build("qwen2"), qft.adapters.QWTHNConfig(**options)).eval()


def test_what_peft_keeps_for_its_own_methods_is_refused(tmp_path: Path) -> None:
    model = build()
    model.save_pretrained(tmp_path)
    refused = {
        "only PEFT's LoRA and IA3": lambda: model.add_weighted_adapter(["default"], [1.0], "sum"),
        "Hotswapping only supports LORA": lambda: hotswap_adapter(model, str(tmp_path), "default"),
        "do not support LoRA conversion": lambda: convert_to_lora(model, rank=2),
        "not compatible with the `PeftMixedModel`": lambda: get_peft_model(
            tiny.build("qwen2"), qft.adapters.QWTHNConfig(), mixed=True
        ),
        "selects model.embed_tokens, a Embedding": lambda: build(target_modules=["embed_tokens"]),
        **{
            f"unexpected keyword argument '{option}'": lambda option=option: build(**{option: None})
            for option in ("rank_pattern", "alpha_pattern", "bias", "init_weights", "target_parameters")
        },
    }
    for words, action in refused.items():
        with pytest.raises((ValueError, TypeError, NotImplementedError), match=re.escape(words)):
            action()


def test_attention_of_torch_is_not_wrapped_where_it_would_have_no_effect() -> None:
    def encoder():
        return torch.nn.TransformerEncoderLayer(8, 2, 16)

    model = get_peft_model(encoder(), qft.adapters.QWTHNConfig(target_modules="all-linear"))
    assert model.targeted_module_names == ["linear1", "linear2"]
    with pytest.raises(ValueError, match=r"selects self_attn\.out_proj"):
        get_peft_model(encoder(), qft.adapters.QWTHNConfig(target_modules=["out_proj"]))


def test_injected_without_a_peft_model() -> None:
    injected = inject_adapter_in_model(qft.adapters.QWTHNConfig(), tiny.build("qwen2"))
    state = get_peft_model_state_dict(injected)
    some = {k: v for k, v in state.items() if ".layers.0." in k and "q_proj" in k}
    with pytest.warns(RuntimeWarning, match="inconsistency .* the PEFT config and the provided state_dict"):
        part = inject_adapter_in_model(qft.adapters.QWTHNConfig(), tiny.build("qwen2"), state_dict=some)
    assert [layer.name for layer in get_layer_status(part)] == ["model.layers.0.self_attn.q_proj"]
    with pytest.raises(ValueError, match=r"model\.embed_tokens is a Embedding; only linear layers can be adapted"):
        wrong = {"model.embed_tokens.qft_delta.angles": torch.zeros(8)}
        inject_adapter_in_model(qft.adapters.QWTHNConfig(), tiny.build("qwen2"), state_dict=wrong)
