"""Directories of weights as a stranger may hand them over: refused in one sentence, before anything is made."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from program import qft_here
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

import qft
from qft import trust
from qft.errors import QftError
from qft.models import files, load

DEMO = Path(qft.__file__).parent / "models/demo"
NAME = "model.safetensors"


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the demo model, in the current directory."""
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(DEMO, "base"))


def spec(base: Path) -> dict:
    return {"path": f"./{base}", "template": "auto"}


def refused(base: Path, words: str) -> None:
    with pytest.raises(QftError, match=words) as told:
        load.load_base(spec(base), torch.float32)
    assert len(str(told.value)) < 300


def with_index(base: Path, shard: str) -> None:
    weights = load_file(base / NAME)
    (base / NAME).rename(base.parent / "other.safetensors")
    text = json.dumps({"metadata": {}, "weight_map": dict.fromkeys(weights, shard)})
    (base / "model.safetensors.index.json").write_text(text)


@pytest.mark.parametrize("shard", ["../other.safetensors", "{here}/other.safetensors", "x/../../other.safetensors"])
def test_shards_outside_the_directory_are_not_followed(shard: str, base: Path) -> None:
    with_index(base, shard.format(here=Path.cwd()))
    refused(base, "lies outside the directory")
    with pytest.raises(QftError, match="outside"):
        load.load_tokenizer(spec(base))


def test_an_index_may_be_junk(base: Path) -> None:
    for text in ("", "[]", "{}", '{"weight_map": {"a": 7}}', '{"weight_map": {"a": "x\\u0000"}}', "[" * 100_000):
        (base / "model.safetensors.index.json").write_text(text)
        refused(base, "index.json")
    with_index(base, "gone.safetensors")
    refused(base, "gone.safetensors is missing")


def test_links_lead_nowhere_but_to_the_files_of_a_hub_s_cache(base: Path) -> None:
    (base / NAME).rename("elsewhere")
    (base / NAME).symlink_to(Path("elsewhere").absolute())
    refused(base, "link to a file outside")
    snapshot = Path("models--a--b/snapshots/1")
    snapshot.parent.mkdir(parents=True)
    blobs = snapshot.parents[1] / "blobs"
    blobs.mkdir()
    (base / NAME).unlink()
    Path("elsewhere").rename(blobs / "0")
    base.rename(snapshot)
    (snapshot / NAME).symlink_to("../../blobs/0")
    load.load_base(spec(snapshot), torch.float32)
    (snapshot / NAME).unlink()
    (snapshot / NAME).symlink_to(NAME)  # a circle
    with pytest.raises(QftError, match=r"model\.safetensors"):
        load.fingerprint(spec(snapshot))
    (snapshot / NAME).unlink()
    os.mkfifo(snapshot / NAME)  # reading it would wait for ever
    with pytest.raises(QftError, match="is not a file"):
        load.fingerprint(spec(snapshot))


def test_every_byte_that_decides_an_answer_is_in_the_fingerprint(base: Path) -> None:
    (base / "chat_template.jinja").write_text("{{ messages }}")
    before = load.fingerprint(spec(base))
    assert load.is_base(spec(base), before)
    for name in (NAME, "config.json", "tokenizer.json", "chat_template.jinja"):
        whole = (base / name).read_bytes()
        middle = len(whole) // 2
        (base / name).write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
        assert load.fingerprint(spec(base)) != before and not load.is_base(spec(base), before), name
        (base / name).write_bytes(whole)
    (base / "README.md").write_text("of no consequence")
    assert load.fingerprint(spec(base)) == before


def test_of_a_giant_file_both_ends_count(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = (base / NAME).stat().st_size
    monkeypatch.setattr(load, "WHOLE", 100)
    monkeypatch.setattr(load, "ENDS", size // 4)
    before = load.fingerprint(spec(base))
    for place, counts in ((0.1, True), (0.5, False), (0.9, True)):
        with (base / NAME).open("r+b") as file:
            file.seek(int(size * place))
            byte = file.read(1)[0]
            file.seek(int(size * place))
            file.write(bytes([byte ^ 1]))
        assert (load.fingerprint(spec(base)) != before) == counts
        before = load.fingerprint(spec(base))


@pytest.mark.parametrize(
    "content",
    [b"", b"junk", b"\xff" * 9, (10**8 + 1).to_bytes(8, "little"), (2).to_bytes(8, "little") + b"[]", b"\0" * 64],
    ids=["empty", "junk", "ones", "giant header", "no mapping", "zeros"],
)
def test_broken_weights_are_one_sentence(content: bytes, base: Path) -> None:
    (base / NAME).write_bytes(content)
    refused(base, "not a whole safetensors file")


def test_cut_and_missing_weights_are_refused(base: Path) -> None:
    whole = (base / NAME).read_bytes()
    (base / NAME).write_bytes(whole[:-100])
    refused(base, "not a whole safetensors file")
    (base / NAME).write_bytes(whole)
    weights = load_file(base / NAME)
    del weights["model.layers.0.mlp.up_proj.weight"]
    save_file(weights, base / NAME, {"format": "pt"})
    refused(base, r"no weights for model\.layers\.0\.mlp\.up_proj\.weight")


def test_weights_that_are_no_numbers_leave_no_run_directory(base: Path, capfd) -> None:
    weights = load_file(base / NAME)
    for value in (float("nan"), float("-inf")):
        weights["model.norm.weight"][3] = value
        save_file(weights, base / NAME, {"format": "pt"})
        refused(base, "no numbers")
    assert qft_here("train", f"model.path=./{base}", "n=20", "trainer.max_steps=1") == 2
    error = capfd.readouterr().err
    assert "NaN or infinite" in error and "Traceback" not in error and not Path("outputs").exists()


def test_a_vocabulary_smaller_than_the_tokenizer_s_leaves_no_run_directory(base: Path, capfd) -> None:
    tokenizer = AutoTokenizer.from_pretrained(base)
    load.check_vocabulary(spec(base), tokenizer)
    tokenizer.add_tokens([f"<more{k}>" for k in range(2000)])
    tokenizer.save_pretrained(base)
    assert qft_here("train", f"model.path=./{base}", "n=20", "trainer.max_steps=1") == 2
    assert "embeddings" in capfd.readouterr().err and not Path("outputs").exists()


def test_a_base_that_is_an_adapter_does_not_lead_to_another_base(base: Path) -> None:
    (base / "adapter_config.json").write_text('{"peft_type": "LORA", "base_model_name_or_path": "../elsewhere"}')
    refused(base, "holds an adapter_config.json")


@pytest.mark.parametrize(
    "more",
    [
        {"peft_type": "XLORA", "adapters": {"a": "../elsewhere"}},
        {"peft_type": "SHADOW", "shadow_model": "somebody/model"},
        {"peft_type": "LORA", "megatron_config": {"a": 1}, "megatron_core": "antigravity"},
        {"peft_type": "LORA", "corda_config": {"covariance_file": "/somewhere/x.pt"}},
        {"peft_type": 7},
        {},
    ],
)
def test_an_adapter_leads_to_no_other_files(more: dict, tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps(more))
    with pytest.raises(QftError, match=r"adapter_config\.json"):
        files.check_adapter(tmp_path)


def test_code_of_a_base_runs_on_the_user_s_word_alone(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(Path("modules").absolute()))
    monkeypatch.syspath_prepend("modules")
    config = json.loads((base / "config.json").read_text())
    config |= {"model_type": "strange", "auto_map": {"AutoConfig": "code.Config", "AutoModelForCausalLM": "code.Model"}}
    (base / "config.json").write_text(json.dumps(config))
    (base / "code.py").write_text("import pathlib\npathlib.Path('ran').touch()\nraise ValueError('that is enough')\n")
    stored = spec(base) | {"trust_remote_code": True}
    load.load_tokenizer(stored)
    for ask in (load.meta_base, lambda s: load.load_base(s, torch.float32)):
        with pytest.raises(QftError):
            ask(stored)
    assert not Path("ran").exists()
    unsaid = load.fingerprint(stored)
    with trust.command():
        trust.extend(remote_code=True)
        assert load.fingerprint(stored) != unsaid, "code that runs is part of what a run was trained with"
        with pytest.raises(QftError, match="that is enough"):
            load.meta_base(stored)
    assert Path("ran").exists()
