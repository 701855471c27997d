"""SoRA: the proximal step at the right moment, exact zeros, pruned on save."""

import copy

import pytest
import tiny
import torch
from peft import PeftModel, get_peft_model
from safetensors.torch import load_file
from torch.utils.data import Dataset
from transformers import Trainer, TrainerCallback, TrainingArguments

from qft.adapters import SoRAConfig
from qft.adapters.sora import SoRADelta, shrink, soft_threshold
from qft.errors import QftError
from qft.training.trainer import method_callbacks, module_reports

IGNORED = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.* is deprecated:FutureWarning")
pytestmark = IGNORED


def deltas(model):
    return [m for m in model.modules() if isinstance(m, SoRADelta)]


def logits(model):
    with torch.no_grad():
        return model.eval()(tiny.tokens()).logits


def pruned_model(zeros=((1,), (0, 2), (), (0, 1, 2, 3))):
    """Random weights; the i-th layer has these gates at zero."""
    model = get_peft_model(tiny.build("qwen2"), SoRAConfig(init_seed=0))
    with torch.no_grad():
        for delta, gone in zip(deltas(model), zeros, strict=True):
            for parameter in delta.parameters():
                parameter.normal_()
            delta.g[list(gone)] = 0
    return model


def test_the_soft_threshold():
    g = torch.tensor([1.0, -1.0, 0.25, -0.25, 0.5, 0.0])
    assert torch.equal(soft_threshold(g, 0.5), torch.tensor([0.5, -0.5, 0.0, 0.0, 0.0, 0.0]))


def test_the_equation():
    delta = SoRADelta(6, 5, SoRAConfig(r=3, alpha=5), None).double()
    assert torch.equal(delta.g, torch.ones(3, dtype=torch.float64)) and not delta.b.any()
    with torch.no_grad():
        for parameter in delta.parameters():
            parameter.normal_()
    x = torch.randn(4, 6, dtype=torch.float64)
    expected = torch.stack([5 / 3 * delta.b @ (delta.g * (delta.a @ row)) for row in x])
    torch.testing.assert_close(delta(x), expected, rtol=0, atol=1e-12)


def test_pruned_ranks_are_not_saved_and_the_rest_is_the_same(tmp_path):
    model = pruned_model()
    before = logits(model)
    model.save_pretrained(tmp_path)
    assert torch.equal(logits(model), before) and all(len(d.g) == 4 for d in deltas(model))
    saved = load_file(tmp_path / "adapter_model.safetensors")
    assert sorted(len(v) for k, v in saved.items() if k.endswith(".g")) == [0, 2, 3, 4]
    loaded = PeftModel.from_pretrained(tiny.build("qwen2"), tmp_path)
    # the pruned products are exact zeros, but a sum of three terms may be ordered otherwise than one of four
    torch.testing.assert_close(logits(loaded), before, rtol=0, atol=1e-5 * before.abs().max().item())
    ranks = SoRAConfig.from_pretrained(tmp_path).ranks
    assert ranks == {
        "model.layers.0.self_attn.q_proj": 3,
        "model.layers.0.self_attn.v_proj": 2,
        "model.layers.1.self_attn.q_proj": 4,
        "model.layers.1.self_attn.v_proj": 0,
    }
    assert [len(d.g) for d in deltas(loaded)] == list(ranks.values())
    loaded.merge_and_unload()

    again = PeftModel.from_pretrained(tiny.build("qwen2"), tmp_path, is_trainable=True, low_cpu_mem_usage=True)
    again(tiny.tokens()).logits.square().mean().backward()
    assert all(p.grad is not None for p in again.parameters() if p.requires_grad and p.numel())
    again.save_pretrained(tmp_path / "again")
    twice = load_file(tmp_path / "again" / "adapter_model.safetensors")
    assert all(torch.equal(twice[k], saved[k]) for k in saved)


def test_the_report():
    reports = module_reports(pruned_model())
    assert [r["rank"] for r in reports.values()] == [3, 2, 4, 0]
    assert next(iter(reports)) == "model.layers.0.self_attn.q_proj"


class Rows(Dataset):
    def __len__(self):
        return 24

    def __getitem__(self, i):
        ids = tiny.tokens(1, 7, seed=i)[0]
        return {"input_ids": ids, "labels": ids}


class Watch(TrainerCallback):
    """The gates before each optimizer step and after all callbacks of it, with the rate of the step."""

    def __init__(self):
        self.rates, self.before, self.after = [], [], []

    def on_pre_optimizer_step(self, args, state, control, model, optimizer, **kwargs):
        self.rates.append(optimizer.param_groups[0]["lr"])
        self.before.append([copy.deepcopy((d.g.detach(), d.g.grad)) for d in deltas(model)])

    def on_optimizer_step(self, args, state, control, model, **kwargs):
        self.after.append([d.g.detach().clone() for d in deltas(model)])


def train(tmp_path, sparsity=1.0, **options):
    model = get_peft_model(tiny.build("qwen2"), SoRAConfig(init_seed=0, sparsity=sparsity))
    watch = Watch()
    options = {"learning_rate": 0.1, "max_steps": 4, "optim": "sgd", "lr_scheduler_type": "linear"} | options
    args = TrainingArguments(
        str(tmp_path),
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
        per_device_train_batch_size=2,
        seed=0,
        save_strategy="steps",
        save_steps=2,
        dataloader_pin_memory=False,
        **options,
    )
    trainer = Trainer(model, args, train_dataset=Rows(), callbacks=[*method_callbacks(model), watch])
    trainer.train()
    return model, watch


@pytest.mark.parametrize("accumulation", [1, 3])
@pytest.mark.parametrize("clip", [0.0, 1e-3])
def test_one_proximal_step_for_each_optimizer_step(tmp_path, accumulation, clip):
    _, watch = train(tmp_path, gradient_accumulation_steps=accumulation, max_grad_norm=clip)
    assert len(watch.after) == 4 and len(set(watch.rates)) == 4  # once a step, the rate falling from step to step
    for rate, before, after in zip(watch.rates, watch.before, watch.after, strict=True):
        for (g, grad), new in zip(before, after, strict=True):
            # plain SGD, so that the step of the optimizer itself is known
            torch.testing.assert_close(new, soft_threshold(g - rate * grad, rate), rtol=0, atol=1e-7)


def test_gates_reach_exact_zero_and_the_saved_adapter_is_smaller(tmp_path):
    model, _ = train(tmp_path / "run", sparsity=6.0, optim="adamw_torch", max_steps=6)
    gates = torch.cat([d.g.detach() for d in deltas(model)])
    assert (gates == 0).any()
    model.save_pretrained(tmp_path / "adapter")
    saved = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    assert sum(len(v) for k, v in saved.items() if k.endswith(".g")) == (gates != 0).sum()


def test_checkpoints_keep_every_rank_and_a_resumed_run_is_the_same(tmp_path):
    options = {"sparsity": 6.0, "optim": "adamw_torch", "max_steps": 6}
    straight, _ = train(tmp_path / "run", **options)
    saved = load_file(tmp_path / "run" / "checkpoint-4" / "adapter_model.safetensors")
    gates = [v for k, v in saved.items() if k.endswith(".g")]
    assert all(len(g) == 4 for g in gates) and any((g == 0).any() for g in gates)

    model = get_peft_model(tiny.build("qwen2"), SoRAConfig(init_seed=1, sparsity=6.0))
    args = torch.load(tmp_path / "run" / "checkpoint-4" / "training_args.bin", weights_only=False)
    trainer = Trainer(model, args, train_dataset=Rows(), callbacks=method_callbacks(model))
    trainer.train(resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-4"))
    for a, b in zip(deltas(straight), deltas(model), strict=True):
        assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


def test_a_skipped_step_shrinks_nothing():
    model = get_peft_model(tiny.build("qwen2"), SoRAConfig())
    optimizer = torch.optim.SGD([d.g for d in deltas(model)], lr=0.5)
    optimizer.step_was_skipped = True
    shrink(model, optimizer, model.peft_config["default"])
    assert all((d.g == 1).all() for d in deltas(model))
    optimizer.step_was_skipped = False
    shrink(model, optimizer, model.peft_config["default"])
    assert all((d.g == 0.5).all() for d in deltas(model))


def test_a_gate_that_is_not_trained_is_left_alone():
    model = get_peft_model(tiny.build("qwen2"), SoRAConfig())
    model.add_adapter("second", SoRAConfig())
    trained = [p for p in model.parameters() if p.requires_grad]
    shrink(model, torch.optim.SGD(trained, lr=0.5), model.peft_config["default"])
    gates = {n: p for n, p in model.named_parameters() if n.endswith(".g")}
    assert all((g == (0.5 if ".default." in n else 1.0)).all() for n, g in gates.items())


def test_a_negative_lambda_is_refused():
    with pytest.raises(QftError, match="sparsity=-1"):
        SoRAConfig(sparsity=-1.0)
