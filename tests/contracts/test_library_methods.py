"""What methods of the libraries are held to: exactly what ``supports`` of their yaml states, and saving."""

from pathlib import Path

import pytest
import tiny
import torch
import yaml
from abilities import ABILITIES, build, logits, measured, perturb

from qft.adapters import methods
from qft.errors import QftError
from qft.models import inject

CONFIGS = Path(__file__).parents[2] / "configs" / "adapter"
SPECS = {
    file.stem: {"name": file.stem} | spec
    for file in sorted(CONFIGS.glob("*.yaml"))
    if "_target_" in (spec := yaml.safe_load(file.read_text())) and not str(spec["_target_"]).startswith("qft.")
}

pytestmark = pytest.mark.filterwarnings(
    "error",
    "ignore:.*gradient_checkpointing.* is deprecated:FutureWarning",  # PEFT itself still uses the old names
    "ignore:.*(Unsupported layer type|has no bias term|CUDA extension|boft_n_butterfly_factor):UserWarning",  # of PEFT
    "ignore:Position ids are not supported:UserWarning",  # prefix tuning: the library says what it does
)


def able(word):
    return [name for name, spec in SPECS.items() if word in spec["supports"]]


def on_families(cases):
    """Each case on each family; `make test` runs all of them on one, and those with shared code here on all."""
    everywhere = ("dora", "full", "lora", "prefix")
    for case in cases:
        for family in tiny.CONFIGS:
            usual = family == "qwen2" or case[0] in everywhere
            yield pytest.param(*case, family, marks=() if usual else pytest.mark.extended, id="-".join((*case, family)))


EACH = pytest.mark.parametrize("name, family", list(on_families([(name,) for name in SPECS])))


def test_the_walk_finds_the_methods_and_each_says_what_it_can():
    assert {"lora", "dora", "prefix", "full"} <= set(SPECS)
    assert all(set(spec["supports"]) <= set(ABILITIES) for spec in SPECS.values())
    assert all(methods.of(spec).describe().source for spec in SPECS.values()), "its row of docs/adapters.md"


@EACH
def test_every_trained_tensor_has_a_gradient(name, family):
    model = perturb(build(SPECS[name], family)).train()
    model(input_ids=tiny.tokens(), attention_mask=torch.ones_like(tiny.tokens())).logits.square().mean().backward()
    trained = [p for p in model.parameters() if p.requires_grad]
    # the bias of a key projection moves all scores of a query alike, which a softmax does not see
    assert trained and all(p.grad is not None and p.grad.isfinite().all() for p in trained)
    assert sum(bool(p.grad.any()) for p in trained) >= 0.9 * len(trained)


@EACH
def test_saved_and_loaded_on_a_fresh_base(name, family, tmp_path):
    model = perturb(build(SPECS[name], family))
    assert not torch.allclose(logits(model), logits(tiny.build(family)), atol=0.01)
    model.save_pretrained(tmp_path)
    assert not list(tmp_path.rglob("*.bin"))
    torch.manual_seed(9)
    base = tiny.build(family, seed=1 if name != "full" else 2)  # full tuning brings its own weights
    assert torch.equal(logits(inject.load_adapter(base, tmp_path).eval()), logits(model))


CASES = [(name, ability) for name in SPECS for ability in SPECS[name]["supports"]]


@pytest.mark.parametrize("name, ability, family", list(on_families(CASES)))
def test_it_can_do_what_its_yaml_states(name, ability, family):
    ABILITIES[ability](SPECS[name], family)


@pytest.mark.extended
@pytest.mark.parametrize("name", SPECS)
def test_it_can_do_nothing_that_its_yaml_does_not_state(name):
    assert measured(SPECS[name]) == SPECS[name]["supports"]


@pytest.mark.parametrize("name", sorted(set(SPECS) - set(able("checkpointing"))))
def test_checkpointing_is_refused(name):
    with pytest.raises(QftError, match=f"adapter={name} does not work with gradient checkpointing"):
        methods.of(SPECS[name]).check_checkpointing()


@EACH
def test_generation(name, family):
    model = perturb(build(SPECS[name], family))
    options = {"max_new_tokens": 6, "do_sample": False, "attention_mask": torch.ones_like(tiny.tokens())}
    assert model.generate(input_ids=tiny.tokens(), **options).shape == (2, 13)


def test_a_directory_without_weights_is_refused(tmp_path):
    with pytest.raises(QftError, match="not an adapter directory"):
        inject.load_adapter(tiny.build("llama"), tmp_path)


def test_a_whole_model_of_another_shape_is_refused(tmp_path):
    tiny.build("llama").save_pretrained(tmp_path)
    with pytest.raises(QftError, match="cannot be loaded"):
        inject.load_adapter(tiny.build("gpt_neo"), tmp_path)
