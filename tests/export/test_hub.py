"""qft push against a stand-in for the hub on this machine."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import stored
import torch
import yaml
from hubs import huggingface
from program import qft_here
from safetensors.torch import save_file

import qft
from qft.config import TrainConfig
from qft.errors import QftError
from qft.export import hub as pushing
from qft.records import Agreement, Export, RunDirectory, write

EXPORT = Export("lora", "r", "qwthn", "f" * 64, "0", "now", "torch.float32", Agreement(1, 0.0, 0.0, 0.0, 1.0), 1)


@pytest.fixture
def hub(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with huggingface() as running:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", running.url)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setenv("HF_TOKEN", running.token)
        yield running


def weights(folder: Path, base: str | None = "/home/someone/models/base") -> None:
    folder.mkdir(parents=True)
    save_file({"a": torch.ones(2)}, str(folder / "adapter_model.safetensors"))
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "base_model_name_or_path": base}))
    (folder / "README.md").write_text("# A card")
    (folder / "log.txt").write_text("a diary")


def an_export(folder: Path, **options) -> Path:
    weights(folder, **options)
    write(folder / Export.FILE, EXPORT)
    return folder


def a_run(folder: Path) -> Path:
    weights(folder / "adapter")
    config = TrainConfig(
        model={"path": "x", "template": "auto"}, data={"_target_": "x", "name": "x"}, adapter={"name": "qwthn"}
    )
    config.evaluation.metrics = []
    (folder / "config.yaml").write_text(yaml.safe_dump(asdict(config)))
    directory = RunDirectory(folder)
    directory.save(stored.record())
    directory.finish()
    return folder


def test_an_export_is_pushed_as_it_is_but_for_what_concerns_this_machine(hub, tmp_path, capsys):
    folder = an_export(tmp_path / "outputs/mine-lora")
    assert qft_here("push", "mine-lora", "repo=me/mine", "format=json") == 0
    made = hub.created[0]
    assert (made["name"], made["organization"], made["visibility"]) == ("mine", "me", "private")
    (pushed,) = hub.commits
    assert sorted(pushed) == ["README.md", "adapter_config.json", "adapter_model.safetensors", "export.json"]
    assert pushed["adapter_model.safetensors"] == (folder / "adapter_model.safetensors").read_bytes()
    assert json.loads(pushed["adapter_config.json"])["base_model_name_or_path"] is None
    assert b"/home/someone" in (folder / "adapter_config.json").read_bytes(), "the file here stays"
    assert b"someone" not in b"".join(pushed.values()) and b"diary" not in b"".join(pushed.values())
    assert json.loads(capsys.readouterr().out)["url"].startswith(hub.url)


def test_of_a_run_the_adapter_is_pushed_and_the_base_can_be_named(hub, tmp_path):
    a_run(tmp_path / "outputs/r")
    pushed = qft.push_run("r", "me/mine", base="Qwen/Qwen2-7B", private=False)
    assert pushed.url and [file.name for file in pushed.files] == sorted(hub.commits[0])
    assert hub.created[0]["visibility"] == "public"
    assert json.loads(hub.commits[0]["adapter_config.json"])["base_model_name_or_path"] == "Qwen/Qwen2-7B"


def test_a_dry_run_lists_the_files_and_sends_nothing(hub, tmp_path, capsys):
    an_export(tmp_path / "e")
    assert qft_here("push", "run=./e", "repo=me/mine", "dry_run=true") == 0
    assert not hub.paths and "adapter_model.safetensors" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words, said",
    [
        (["run=./e", "repo=mine"], "no repository of the hub; write OWNER/NAME"),
        (["run=./e", "repo=me/../x"], "no repository"),
        (["run=./e", "repo=me/mine", "base=here"], "base=here is no repository"),
        (["run=./nothing", "repo=me/mine"], "does not exist"),
        (["run=./empty", "repo=me/mine"], "not a run directory"),
        (["run=./unfinished", "repo=me/mine"], "not finished"),
        (["run=./changed", "repo=me/mine"], "damaged"),
        (["run=./e"], "repo is required"),
    ],
)
def test_what_cannot_be_pushed_is_one_sentence(hub, tmp_path, capsys, words, said):
    an_export(tmp_path / "e")
    (tmp_path / "empty").mkdir()
    (a_run(tmp_path / "unfinished") / "COMPLETE").unlink()
    (a_run(tmp_path / "changed") / "adapter/adapter_config.json").write_text("{}")
    assert qft_here("push", *words) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and not hub.paths


def test_a_hub_that_refuses_or_is_not_there_is_one_sentence(hub, tmp_path, monkeypatch):
    an_export(tmp_path / "e")
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(QftError, match="does not let you write to me/mine"):
        qft.push_run("./e", "me/mine")
    assert not hub.commits
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(QftError, match="cannot be reached"):
        qft.push_run("./e", "me/mine")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(QftError, match="HF_HUB_OFFLINE"):
        qft.push_run("./e", "me/mine")


def test_a_card_names_no_place_of_this_machine() -> None:
    words = "qft train data.path=/home/alice/clinic/a.jsonl 'model.path=../b c' model.path=Qwen/Qwen2-7B n=3 \"x=~/d\""
    assert pushing._without_places(words) == "qft train data.path=... model.path=... model.path=Qwen/Qwen2-7B n=3 x=..."
    assert "alice" not in pushing._without_places("qft train 'data.path=/home/alice")
