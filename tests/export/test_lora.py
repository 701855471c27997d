"""Every method as a LoRA that PEFT reads back: equal where it is said to be exact, else near and never further."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import tiny
import torch
import yaml
from peft import LoraConfig, PeftModel
from safetensors.torch import load_file

from qft.adapters import methods
from qft.errors import QftError
from qft.export import agreement, export, lora
from qft.models import activations

CONFIGS = Path(__file__).parents[2] / "configs" / "adapter"
EXACT = {
    *("frozen_frames", "loretta", "lorta", "lotr", "metatt", "qpa", "quantum_peft", "sora", "tt_lora"),
    *("lora", "lora_last", "adalora", "lora_xs", "hra", "quic"),  # of some of these the rank is found by looking
}
LINEAR = {"cua", "butterfly", "quanta", "dora", "oft"}
NONLINEAR = {"qwthn", "qtha", "apc", "loretta_adp", "qaa"}

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*(CUDA extension|has no bias|gradient_checkpointing)"),
    pytest.mark.filterwarnings("ignore:Unsupported layer type"),
]


def adapted(name, family="qwen2", **options):
    spec = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text(encoding="utf-8"))
    spec = {"name": name} | {k: None if str(v).startswith("${") else v for k, v in spec.items()} | options
    model = methods.of(spec).add_to(tiny.build(family), None, seed=0).eval()
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for p in (p for p in model.parameters() if p.requires_grad):
            p.add_(torch.randn(p.shape, generator=generator) * 0.1)
    return model


def batches(seed, rows=24):
    generator = torch.Generator().manual_seed(seed)
    drawn = [torch.randint(2, tiny.VOCAB, (12,), generator=generator).tolist() for _ in range(rows)]
    return activations.padded(SimpleNamespace(pad_token_id=0), [{"input_ids": ids} for ids in drawn], 8)


def exported(model, folder, family="qwen2", rank=None, bias=False):
    """What was converted, the adapter's logits beside those of the LoRA that PEFT reads, and what the base's are."""
    found = lora.convert(model, batches(1), batches(2), rank, bias)
    lora.write(folder, model, found, None)
    tokens = agreement.random_tokens(model)
    base = tiny.build(family)
    reference = agreement.Reference(tokens, agreement.logits_of(model, tokens), agreement.logits_of(base, tokens))
    read = PeftModel.from_pretrained(base, str(folder))
    return found, reference.compare(read)


@pytest.mark.parametrize("name", sorted(EXACT))
def test_what_has_a_rank_is_exact(name, tmp_path):
    found, agrees = exported(adapted(name), tmp_path)
    assert found.exact and found.fitted == 0
    assert agrees.relative < agreement.allowed(torch.float32, len(found.layers)), agrees
    assert agrees.of_change < 1e-3 and agrees.same_token == 1


@pytest.mark.parametrize("name", sorted(LINEAR | NONLINEAR))
def test_what_has_none_is_fitted_and_nearer_than_the_base(name, tmp_path):
    found, agrees = exported(adapted(name), tmp_path, bias=name in ("qaa", "loretta_adp"))
    assert not found.exact and found.fitted == found.measured == 24 * 12
    assert agrees.of_change < 1, "the base itself is at 1"
    for each in found.shares:
        assert each.share <= each.linear_share + 0.05 and each.linear_share <= 1 + 1e-9
        assert not (name in LINEAR and each.linear_share < 0.999)
    assert found.curve[0][0] == 1 and found.curve[-1][1] > found.curve[0][1]


@pytest.mark.parametrize("family", ["gpt2", "llama"])
@pytest.mark.parametrize("name", ["tt_lora", "cua", "qaa"])
def test_other_families_are_converted_too(name, family, tmp_path):
    found, agrees = exported(adapted(name, family), tmp_path, family)
    assert found.exact == (name == "tt_lora") and agrees.of_change < (1e-3 if found.exact else 1)


def test_at_full_rank_a_linear_adapter_is_its_lora(tmp_path):
    found, agrees = exported(adapted("cua", target_modules=["q_proj"]), tmp_path, rank=32)
    assert found.rank == 32 and agrees.of_change < 1e-3


def test_a_smaller_rank_than_the_exact_one_is_the_nearest(tmp_path):
    found, agrees = exported(adapted("tt_lora"), tmp_path, rank=2)
    assert not found.exact and found.rank == 2 and 0 < agrees.of_change < 1
    assert all(0 < each.share < 1 for each in found.shares)


def test_an_affine_adapter_is_exact_with_its_constants_only(tmp_path):
    model = adapted("qwthn", circuit="none")
    found, agrees = exported(model, tmp_path / "with", bias=True)
    assert found.exact and agrees.of_change < 1e-3
    without, _ = exported(model, tmp_path / "without")
    assert not without.exact
    assert any(key.endswith("lora_B.bias") for key in load_file(tmp_path / "with/adapter_model.safetensors"))


def test_a_constant_lets_a_lora_hold_more_of_an_even_response(tmp_path):
    model = adapted("qaa")
    (with_one, near), (without, far) = (exported(model, tmp_path / str(bias), bias=bias) for bias in (True, False))
    assert near.of_change < far.of_change
    assert with_one.bias and not without.bias


def test_equal_exports_are_equal_files_whatever_the_memory(tmp_path, monkeypatch):
    model = adapted("qwthn")
    exported(model, tmp_path / "a")
    monkeypatch.setattr(lora, "MEMORY", 0)  # a pass over the samples for each layer
    exported(model, tmp_path / "b")
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_model_that_was_converted_is_as_before(tmp_path):
    for name in ("oft", "cua"):  # by a merge that is taken back, and by a weight that is looked at
        model = adapted(name)
        before = {key: value.clone() for key, value in model.state_dict().items()}
        exported(model, tmp_path / name)
        assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


@pytest.mark.parametrize("name, said", [("prefix", "changes no linear layer"), ("ln_tuning", "no LoRA stands for")])
def test_what_is_no_layer_of_ones_own_is_refused(name, said):
    with pytest.raises(QftError, match=said):
        lora.convert(adapted(name), batches(1), batches(2), None, False)


def test_a_rank_above_a_layers_own_is_refused():
    with pytest.raises(QftError, match=r"rank=17 is above what .*v_proj has, a layer of 32 x 16; at most 16"):
        lora.convert(adapted("qwthn"), batches(1), batches(2), 17, False)


@pytest.mark.parametrize("rank", [0, -1, 1.5, "many", True])
def test_a_rank_that_is_none_is_refused(rank):
    with pytest.raises(QftError, match="whole number from 1 on, or auto"):
        lora.check_rank(rank)


def test_trained_biases_of_the_base_are_refused() -> None:
    model = SimpleNamespace(peft_config={"default": LoraConfig(bias="lora_only")}, active_adapter="default")
    with pytest.raises(QftError, match=r"biases.*to=merged"):
        export._check_whole_modules(model)
