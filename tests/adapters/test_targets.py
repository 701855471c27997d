"""A comparison is fair by construction: every method gets the layers its model's yaml names."""

import json
from pathlib import Path
from typing import Any

import pytest
import tiny
from peft.tuners.tuners_utils import BaseTunerLayer
from program import qft_here

from qft.adapters import methods

# as docs/add-an-adapter.md writes one: it says nothing of the model's layers
MINE = "_target_: qft.adapters.qwthn.QWTHNConfig\nr: 4\ntarget_modules: null\nwidth: 8\nbond_dim: 2\n"
SPECS: dict[str, dict[str, Any]] = {
    "qwthn": {"_target_": "qft.adapters.qwthn.QWTHNConfig"},
    "sora": {"_target_": "qft.adapters.sora.SoRAConfig", "target_modules": None},
    "lora": {"_target_": "peft.LoraConfig", "target_modules": None},
    "qaa": {"_target_": "qft.adapters.qaa.QAAConfig", "target_modules": None},
    "prefix": {"_target_": "peft.PrefixTuningConfig", "num_virtual_tokens": 2},
    "full": {"_target_": None},
}


def counted(*args: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert qft_here("params", "format=json", *args) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def layers(document: dict[str, Any]) -> int:
    return sum(module["layers"] for module in document["modules"])


def test_a_users_yaml_gets_the_layers_of_its_neighbours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "configs/adapter").mkdir(parents=True)
    (tmp_path / "configs/adapter/mine.yaml").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    mine = counted("adapter=mine", capsys=capsys)
    lora = counted("adapter=lora", capsys=capsys)
    assert layers(mine) == layers(lora) == 28
    own = counted("adapter=mine", "adapter.target_modules=[q_proj,v_proj]", capsys=capsys)
    assert layers(own) == 8
    table = counted("adapter=all", capsys=capsys)["methods"]
    assert {"mine", "lora", "qaa", "full"} <= {row["adapter"] for row in table}
    # one denominator for all of them: LoRA r = 4 on the model's layers, whatever a method adapts
    for document in (mine, own, lora):
        assert document["lora_r4"] == lora["trainable"]
    for row in table:
        assert row["trainable"] / row["ratio_to_lora_r4"] == pytest.approx(lora["trainable"])


@pytest.mark.parametrize("name", SPECS)
def test_the_models_layers_are_taken_unless_the_method_has_its_own(name: str) -> None:
    def adapted(targets: Any, **more: Any) -> set[str]:
        model = methods.of({"name": name} | SPECS[name] | more).add_to(tiny.build("qwen2"), targets, seed=0)
        return {n.rpartition(".")[2] for n, m in model.named_modules() if isinstance(m, BaseTunerLayer)}

    usual: dict[str, set[str]] = {"prefix": set(), "full": set(), "qaa": {"mlp"}}
    assert adapted(None) == usual.get(name, {"q_proj", "v_proj"})
    assert adapted(["o_proj"]) == usual.get(name, {"o_proj"})
    assert adapted("all-linear") >= usual.get(name, {"q_proj", "o_proj", "down_proj"})
    if name in ("qwthn", "sora", "lora"):
        assert adapted("all-linear", target_modules=["k_proj"]) == {"k_proj"}
