import copy
import json
import pickle
import subprocess
import sys
from dataclasses import dataclass
from typing import ClassVar

import pytest
import tiny
import torch
from peft import get_peft_model, mapping
from safetensors.torch import load_file

from qft.adapters import METHODS, QWTHNConfig
from qft.adapters.config import QftConfig
from qft.adapters.delta import Delta
from qft.adapters.register import PREFIX, AdapterType, register
from qft.adapters.tuner import QftTuner


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_registered_under_a_name_of_ours(name):
    config = METHODS[name]
    key = f"QFT_{name.upper()}"
    assert mapping.PEFT_TYPE_TO_CONFIG_MAPPING[key] is config
    assert issubclass(mapping.PEFT_TYPE_TO_TUNER_MAPPING[key], QftTuner)
    assert mapping.PEFT_TYPE_TO_PREFIX_MAPPING[key] == PREFIX
    assert config().peft_type == key and issubclass(config.delta_class, Delta)


def test_the_walk_finds_the_methods():
    assert METHODS["qwthn"] is QWTHNConfig


def test_the_type_behaves_like_an_enum_member_and_like_a_string():
    kind = AdapterType("QFT_X")
    assert (kind.name, kind.value, str(kind)) == ("QFT_X", "QFT_X", "PeftType.QFT_X")
    assert kind == "QFT_X" and hash(kind) == hash("QFT_X") and json.dumps(kind) == '"QFT_X"'
    for twin in (copy.deepcopy(kind), copy.copy(kind), pickle.loads(pickle.dumps(kind))):
        assert type(twin) is AdapterType and twin == kind


def test_a_config_survives_deepcopy_pickle_and_json(tmp_path):
    config = QWTHNConfig(r=3, alpha=5, target_modules=["v_proj", "q_proj"], init_seed=4)
    config.save_pretrained(tmp_path)
    loaded = QWTHNConfig.from_pretrained(tmp_path)
    for twin in (copy.deepcopy(config), pickle.loads(pickle.dumps(config)), loaded):
        assert twin.to_dict() == config.to_dict() and type(twin.peft_type) is AdapterType
    assert json.loads((tmp_path / "adapter_config.json").read_text())["peft_type"] == "QFT_QWTHN"


def test_registering_twice_is_harmless_but_a_name_has_one_owner():
    register(AdapterType("QFT_QWTHN"), QWTHNConfig, QftTuner)
    before = dict(mapping.PEFT_TYPE_TO_CONFIG_MAPPING)
    with pytest.raises(ValueError, match="QFT_QWTHN is already registered"):

        @dataclass
        class Impostor(QftConfig):
            method: ClassVar[str] = "qwthn"

    assert before == mapping.PEFT_TYPE_TO_CONFIG_MAPPING


FRESH = """
import sys
import torch
from transformers import AutoModelForCausalLM
from peft import PeftModel
import qft.adapters
base, adapter, tokens, logits = sys.argv[1:]
model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter).eval()
torch.set_num_threads(1)
with torch.no_grad():
    out = model(torch.load(tokens)).logits
assert torch.equal(out, torch.load(logits)), (out - torch.load(logits)).abs().max()
print("the same")
"""


def test_an_adapter_loads_in_a_fresh_process(tmp_path):
    base = tiny.build("qwen2")
    base.save_pretrained(tmp_path / "base")
    model = get_peft_model(base, QWTHNConfig())
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.normal_(0, 0.3)
    model.save_pretrained(tmp_path / "adapter")
    assert load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    torch.save(tiny.tokens(), tmp_path / "tokens.pt")
    with torch.no_grad():
        torch.save(model.eval()(tiny.tokens()).logits, tmp_path / "logits.pt")
    arguments = [str(tmp_path / n) for n in ("base", "adapter", "tokens.pt", "logits.pt")]
    done = subprocess.run([sys.executable, "-c", FRESH, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout == "the same\n", done.stderr
