"""docs/peft.md as a user of PEFT would do it: Trainer and TRL's SFTTrainer, save, load elsewhere, generate."""

from pathlib import Path

import pytest
import tiny
import torch
from datasets import Dataset
from peft import PeftModel, get_peft_model
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
def test_sft_trainer(tokenizer, tmp_path: Path) -> None:
    from trl import SFTConfig, SFTTrainer

    from qft.adapters import QWTHNConfig

    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 2, "num_key_value_heads": 1}
    base = Qwen2ForCausalLM(Qwen2Config(num_hidden_layers=1, vocab_size=len(tokenizer), **sizes))
    trainer = SFTTrainer(
        model=base,
        args=SFTConfig(str(tmp_path / "out"), max_length=32, bf16=False, **QUIET),
        train_dataset=Dataset.from_dict({"text": ["1 + 1 = 2", "2 + 2 = 4", "3 + 3 = 6", "4 + 4 = 8"] * 2}),
        processing_class=tokenizer,
        peft_config=QWTHNConfig(task_type="CAUSAL_LM"),
    )
    trainer.train()
    losses = [e["loss"] for e in trainer.state.log_history if "loss" in e] or [
        trainer.state.log_history[-1]["train_loss"]
    ]
    assert all(loss > 0 for loss in losses)
    trainer.save_model(str(tmp_path / "adapter"))
    assert (tmp_path / "adapter/adapter_model.safetensors").exists()
