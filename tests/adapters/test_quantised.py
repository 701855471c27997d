"""Quantised bases: an adapter only calls the layer it wraps, so it needs no weight it could read."""

import copy
import importlib.util

import pytest
import tiny
import torch
from peft import PeftModel, get_peft_model
from torch import nn

from qft.adapters import METHODS, QftLayer


class Int8Linear(nn.Module):
    """Stands in for a quantised linear layer: packed int8 weights, a scale a row, float nowhere in ``weight``."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        scale = linear.weight.detach().float().abs().amax(1, keepdim=True) / 127
        packed = (linear.weight.detach() / scale).round().to(torch.int8).reshape(-1, 1)
        self.register_buffer("weight", packed)
        self.register_buffer("scale", scale)
        self.bias = linear.bias

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = self.weight.reshape(self.out_features, self.in_features) * self.scale
        return nn.functional.linear(x, weight.to(x.dtype), self.bias)


def stand_in(family: str, dtype: torch.dtype = torch.float32) -> nn.Module:
    """A tiny model with every linear layer but the head quantised."""
    model = tiny.build(family, dtype)
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Linear) and name != "lm_head":
            parent, _, leaf = name.rpartition(".")
            setattr(model.get_submodule(parent), leaf, Int8Linear(module))
    return model


def check(method, base, tmp_path) -> None:
    """Start at the base, gradients for the adapter alone, disabled is the base, saved is loaded, merging is refused."""
    tokens = tiny.tokens().to(base.device)

    @torch.no_grad()
    def logits(model):
        return model(tokens).logits

    fresh, plain = copy.deepcopy(base), logits(base)
    assert torch.equal(plain, logits(base)), "the base itself is not deterministic"
    model = get_peft_model(base, METHODS[method](task_type="CAUSAL_LM", init_seed=0)).eval()
    layers = [m for m in model.modules() if isinstance(m, QftLayer)]
    assert layers and torch.equal(logits(model), plain)

    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    assert all(".qft_" in n and p.dtype == torch.float32 for n, p in trained.items())
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for p in trained.values():
            p.add_(0.3 * torch.randn(p.shape, generator=generator).to(p.device))
    model.train()
    (model(tokens).logits.float() ** 2).mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in trained.values())
    assert all(p.grad is None for n, p in model.named_parameters() if n not in trained)

    model.eval()
    moved = logits(model)
    assert not torch.equal(moved, plain)
    with model.disable_adapter():
        assert torch.equal(logits(model), plain)
    model.save_pretrained(tmp_path)
    assert torch.equal(logits(PeftModel.from_pretrained(fresh, tmp_path).eval()), moved)

    for merge in (model.merge_adapter, model.merge_and_unload):
        with pytest.raises(ValueError, match=r"cannot be merged"):
            merge()
    assert torch.equal(logits(model), moved)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize(("method", "family"), [(m, f) for f in tiny.CONFIGS for m in METHODS if tiny.runs_on(m, f)])
def test_a_stand_in(method, family, dtype, tmp_path) -> None:
    check(method, stand_in(family, dtype), tmp_path)


@pytest.mark.parametrize("method", METHODS)
def test_every_linear_of_a_stand_in_can_be_wrapped(method) -> None:
    config = METHODS[method]
    if config.wraps != "linear layers":
        return
    model = get_peft_model(stand_in("llama"), config(target_modules="all-linear"))
    layers = [m for m in model.modules() if isinstance(m, QftLayer)]
    assert len(layers) == 14 and all(isinstance(m.base_layer, Int8Linear) for m in layers)


def with_bitsandbytes(bits: int, folder) -> nn.Module:
    """A tiny Llama as transformers loads it in 4 or 8 bits."""
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    tiny.build("llama", torch.bfloat16).save_pretrained(folder)
    quantised = BitsAndBytesConfig(
        load_in_4bit=bits == 4, load_in_8bit=bits == 8, bnb_4bit_compute_dtype=torch.bfloat16
    )
    return AutoModelForCausalLM.from_pretrained(
        folder, quantization_config=quantised, dtype=torch.bfloat16, device_map={"": 0}
    ).eval()


@pytest.mark.filterwarnings("ignore")  # the library's own, which change with each release
@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("method", METHODS)
def test_bitsandbytes(method, bits, tmp_path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a GPU")
    if importlib.util.find_spec("bitsandbytes") is None:
        pytest.skip("needs a GPU and bitsandbytes")
    base = with_bitsandbytes(bits, tmp_path / "base")
    assert {type(m).__name__ for m in base.modules()} & {"Linear4bit", "Linear8bitLt"}
    check(method, base, tmp_path / "adapter")
