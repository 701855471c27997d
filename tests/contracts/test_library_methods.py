"""What methods of the libraries are held to: exactly what ``supports`` of their yaml states, and saving."""

from pathlib import Path

import pytest
import tiny
import torch
import yaml

from qft.adapters import methods
from qft.errors import QftError
from qft.models import inject

CONFIGS = Path(__file__).parents[2] / "configs" / "adapter"
ABILITIES = {"zero_start", "merge", "several", "checkpointing", "disable"}
SPECS = {
    file.stem: {"name": file.stem} | spec
    for file in sorted(CONFIGS.glob("*.yaml"))
    if "_target_" in (spec := yaml.safe_load(file.read_text())) and not str(spec["_target_"]).startswith("qft.")
}

pytestmark = pytest.mark.filterwarnings(
    "error",
    "ignore:.*gradient_checkpointing.* is deprecated:FutureWarning",  # PEFT itself still uses the old names
    "ignore:Position ids are not supported:UserWarning",  # prefix tuning: the library says what it does
)


def able(word):
    return [name for name, spec in SPECS.items() if word in spec["supports"]]


@pytest.fixture(params=tiny.CONFIGS)
def family(request):
    return request.param


def build(name, family):
    return methods.of(SPECS[name]).add_to(tiny.build(family), None, seed=0).eval()


def perturb(model, seed=5):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in (p for p in model.parameters() if p.requires_grad):
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return model.eval()


@torch.no_grad()
def logits(model):
    return model(input_ids=tiny.tokens(), attention_mask=torch.ones_like(tiny.tokens())).logits


def close(expected):
    # the same products in another order: float32 rounding, some hundred times 6e-8 of the largest logit
    return {"rtol": 0, "atol": 1e-5 * expected.abs().max().item()}


def test_the_walk_finds_the_methods_and_each_says_what_it_can():
    assert {"lora", "dora", "prefix", "full"} <= set(SPECS)
    assert all(set(spec["supports"]) <= ABILITIES for spec in SPECS.values())
    assert all(methods.of(spec).describe().source for spec in SPECS.values()), "its row of docs/adapters.md"


@pytest.mark.parametrize("name", SPECS)
def test_every_trained_tensor_has_a_gradient(name, family):
    model = perturb(build(name, family)).train()
    model(input_ids=tiny.tokens(), attention_mask=torch.ones_like(tiny.tokens())).logits.square().mean().backward()
    trained = [p for p in model.parameters() if p.requires_grad]
    # the bias of a key projection moves all scores of a query alike, which a softmax does not see
    assert trained and all(p.grad is not None and p.grad.isfinite().all() for p in trained)
    assert sum(bool(p.grad.any()) for p in trained) >= 0.9 * len(trained)


@pytest.mark.parametrize("name", SPECS)
def test_saved_and_loaded_on_a_fresh_base(name, family, tmp_path):
    model = perturb(build(name, family))
    assert not torch.allclose(logits(model), logits(tiny.build(family)), atol=0.01)
    model.save_pretrained(tmp_path)
    assert not list(tmp_path.rglob("*.bin"))
    torch.manual_seed(9)
    base = tiny.build(family, seed=1 if name != "full" else 2)  # full tuning brings its own weights
    assert torch.equal(logits(inject.load_adapter(base, tmp_path).eval()), logits(model))


@pytest.mark.parametrize("name", able("zero_start"))
def test_zero_start(name, family):
    assert torch.equal(logits(build(name, family)), logits(tiny.build(family)))


@pytest.mark.parametrize("name", able("disable"))
def test_disable(name, family):
    model = perturb(build(name, family))
    with model.disable_adapter():
        assert torch.equal(logits(model), logits(tiny.build(family)))


@pytest.mark.parametrize("name", able("merge"))
def test_merge(name, family):
    model = perturb(build(name, family))
    before = logits(model)
    merged = model.merge_and_unload()
    assert type(merged) is type(tiny.build(family))
    torch.testing.assert_close(logits(merged), before, **close(before))


@pytest.mark.parametrize("name", able("several"))
def test_several(name, family):
    model = perturb(build(name, family))
    first = logits(model)
    model.add_adapter("second", model.peft_config["default"])
    assert torch.equal(logits(model), first)
    model.set_adapter("second")
    assert not torch.equal(logits(perturb(model, seed=6)), first)
    model.set_adapter("default")
    assert torch.equal(logits(model), first)


@pytest.mark.parametrize("name", able("checkpointing"))
def test_checkpointing(name, family):
    def gradients(checkpointing):
        model = perturb(build(name, family)).train()
        if checkpointing:
            model.enable_input_require_grads()
            enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
            enable({"use_reentrant": False})
        model(tiny.tokens()).logits.square().mean().backward()
        return [p.grad for p in model.parameters() if p.requires_grad]

    methods.of(SPECS[name]).check_checkpointing()
    for a, b in zip(gradients(False), gradients(True), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("name", sorted(set(SPECS) - set(able("checkpointing"))))
def test_checkpointing_is_refused(name):
    with pytest.raises(QftError, match=f"adapter={name} does not work with gradient checkpointing"):
        methods.of(SPECS[name]).check_checkpointing()


@pytest.mark.parametrize("name", SPECS)
def test_generation(name, family):
    model = perturb(build(name, family))
    options = {"max_new_tokens": 6, "do_sample": False, "attention_mask": torch.ones_like(tiny.tokens())}
    assert model.generate(input_ids=tiny.tokens(), **options).shape == (2, 13)


def test_a_directory_without_weights_is_refused(tmp_path):
    with pytest.raises(QftError, match="no adapter directory"):
        inject.load_adapter(tiny.build("llama"), tmp_path)


def test_a_whole_model_of_another_shape_is_refused(tmp_path):
    tiny.build("llama").save_pretrained(tmp_path)
    with pytest.raises(QftError, match="cannot be loaded"):
        inject.load_adapter(tiny.build("gpt_neo"), tmp_path)
