"""Any method of the installed PEFT by its type, and on some layers only."""

import pytest
import tiny

from qft.adapters import methods
from qft.adapters.peft_types import target_of
from qft.compose.typed import compose
from qft.config import ParamsConfig
from qft.errors import QftError


def trained(*words, options=None):
    spec = compose("params", ParamsConfig, words, options).adapter
    model = methods.of(spec).add_to(tiny.build("qwen2"), None, seed=0)
    return {name: p.numel() for name, p in model.named_parameters() if p.requires_grad}


def test_a_type_with_its_options():
    assert sum(trained("adapter=peft", "adapter.type=hira", "adapter.r=2").values()) == 2 * 2 * (2 * 32 + 32 + 16)


def test_from_python():
    given = {"adapter": "peft", "adapter.type": "HIRA", "adapter.r": 2}
    assert trained(options=given) == trained("adapter=peft", "adapter.type=HIRA", "adapter.r=2")


@pytest.mark.parametrize(
    "words, message",
    [
        (["adapter.type=HIRAX"], "adapter.type=HIRAX is no type of the installed PEFT. Did you mean 'HIRA'?"),
        (["adapter.type=HIRA", "adapter.rr=2"], "HiraConfig has no option 'rr'. Did you mean 'r'?"),
        (["adapter.type=ADALORA"], "adapter=adalora: AdaLoRA does not work when `total_step` is None"),
        ([], "adapter.type is required"),
    ],
)
def test_what_is_none_is_refused(words, message):
    with pytest.raises(QftError) as refused:
        trained("adapter=peft", *words)
    assert str(refused.value).startswith(message)


def test_types_of_ours_are_not_types_of_the_library():
    with pytest.raises(QftError, match="no type of the installed PEFT"):
        target_of("QFT_QWTHN")


@pytest.mark.parametrize("targets", ["null", "'.*[qv]_proj'"])
def test_the_last_layers(targets):
    names = trained("adapter=lora_last", "adapter.last_layers=1", f"adapter.target_modules={targets}")
    assert len(names) == 4 and all(".layers.1." in name for name in names)


def test_layers_evenly_spaced():
    names = trained("adapter=lora_last", "adapter.last_layers=1", "adapter.evenly=true")
    assert all(".layers.1." in name for name in names)


@pytest.mark.parametrize("number", ["0", "3", "true"])
def test_more_layers_than_there_are(number):
    with pytest.raises(QftError, match="should be"):
        trained("adapter=lora_last", f"adapter.last_layers={number}")


def test_the_norms():
    names = trained("adapter=ln_tuning")
    assert sum(names.values()) == 5 * 32 and all("norm" in name for name in names)


@pytest.mark.parametrize(
    "name, options, words",
    [
        ("oft", {"oft_block_size": 5}, r"oft_block_size=5 does not divide .* the nearest that does is 4\."),
        ("c3a", {"block_size": 64}, r"block_size=64 does not divide .* the nearest that does is 16\."),
        ("hra", {"r": 3}, r"adapter\.r=3 does not suit hra; the nearest is 2 or 4\."),
        ("vera", {"r": 0}, r"adapter\.r=0 does not suit vera; the nearest is 1\."),
        ("oft", {"oft_block_size": 0, "r": 3}, r"Invalid `r` \(3\)! Adjusted `r` to"),
    ],
)
def test_a_size_that_does_not_fit_is_refused_and_never_adjusted(name, options, words):
    with pytest.raises(QftError, match=words):
        trained(f"adapter={name}", *(f"adapter.{key}={value}" for key, value in options.items()))
