"""qft export on trained runs: what was written loads with transformers and peft alone, and answers as the run does."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from program import PATIENCE, qft_here
from transformers import AutoModelForCausalLM, AutoTokenizer

import qft
from qft import records
from qft.data import template
from qft.models import load
from qft.records import Conversion, Export
from qft.version import PACKAGE

BASE = str(PACKAGE / "models/demo")
TRAIN = ("n=10", "data.heldout=4", "trainer.max_steps=2", "trainer.batch_size=4", "trainer.lr=0.02")
ALONE = """
import json, sys
sys.modules["qft"] = None  # importing it fails
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM
torch.set_num_threads(1)
base, adapter, prompts = json.loads(sys.argv[1])
model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
if adapter:
    model = PeftModel.from_pretrained(model, adapter)
model.eval()
out = [model.generate(torch.tensor([ids]), max_new_tokens=12, do_sample=False)[0].tolist() for ids in prompts]
print(json.dumps(out))
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A directory with a finished run of a linear and of a nonlinear method."""
    cwd = tmp_path_factory.mktemp("place")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(cwd)
        for name in ("tt_lora", "qwthn"):
            assert qft_here("train", f"adapter={name}", f"run={name}", *TRAIN) == 0
    return cwd


@pytest.fixture(autouse=True)
def here(place, monkeypatch):
    monkeypatch.chdir(place)


def greedy(model, prompts):
    model.eval()
    return [model.generate(torch.tensor([ids]), max_new_tokens=12, do_sample=False)[0].tolist() for ids in prompts]


def prompts(tokenizer, chat_template=None):
    how = {"chat_template": chat_template, "add_generation_prompt": True, "return_dict": False}
    asked = ("What is 2 + 3?", "I feel sad today.")
    chats = [[{"role": "user", "content": text}] for text in asked]
    return [tokenizer.apply_chat_template(chat, **how) for chat in chats]


def test_a_merged_run_is_a_plain_model_that_answers_as_the_run_does(place, capsys):
    assert qft_here("export", "tt_lora", "to=merged", "format=json") == 0
    folder = place / "outputs/tt_lora-merged"
    document = json.loads(capsys.readouterr().out)
    assert document["kind"] == "merged" and document["agreement"]["same_token"] == 1
    tokenizer = AutoTokenizer.from_pretrained(folder)
    asked = prompts(tokenizer)
    trained_with = template.choose(load.load_tokenizer({"path": BASE}), "auto").text
    assert asked == prompts(tokenizer, trained_with)
    assert "generation" not in tokenizer.chat_template.replace("add_generation_prompt", "")
    plain = AutoModelForCausalLM.from_pretrained(folder)
    assert greedy(plain, asked) == greedy(qft.load_run("tt_lora").model(), asked)
    base = AutoModelForCausalLM.from_pretrained(BASE)
    changed = [k for k, v in plain.state_dict().items() if not torch.equal(v, base.state_dict()[k])]
    assert changed and all("_proj" in key for key in changed), "nothing else is touched"
    assert records.read(folder / Export.FILE, Export).base == load.fingerprint({"path": BASE})
    assert not list((place / "outputs").glob(".*.tmp"))


def test_an_exact_lora_answers_as_the_run_does(place):
    folder = qft.export_run("tt_lora", to="lora")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    lora = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(BASE), str(folder))
    run = qft.load_run("tt_lora")
    asked = prompts(tokenizer)
    assert greedy(lora, asked) == greedy(run.model(), asked)
    found = records.read(run.path / Conversion.FILE, Conversion)
    assert found.exact and found.automatic and found.share == 1
    assert found.losses.adapter == pytest.approx(run.record.training.heldout_loss, rel=1e-5)
    assert found.losses.lora == pytest.approx(found.losses.adapter, rel=1e-5) and found.losses.base != found.losses.lora
    assert "It equals the adapter but for rounding." in (folder / "README.md").read_text()


def test_of_a_circuit_the_nearest_lora_says_what_it_lost(place, capsys):
    words = ("scores=true", "evaluation.limit=2", "evaluation.max_new_tokens=4", "evaluation.metrics=[bleu]")
    assert qft_here("export", "qwthn", "to=lora", "rank=2", *words) == 0
    folder = place / "outputs/qwthn-lora"
    made = records.read(folder / Export.FILE, Export)
    found = made.conversion
    assert found == records.read(place / "outputs/qwthn" / Conversion.FILE, Conversion)
    assert not found.exact and found.rank == 2 and not found.automatic
    assert 0 < found.share < found.linear_share < 1
    assert found.share == pytest.approx(sum(each.share for each in found.layers) / len(found.layers))
    assert dict(found.curve)[2] == pytest.approx(found.share) and found.losses.samples == "held-out"
    assert 0 < found.agreement.of_change < 1
    assert all(set(scores) == {"adapter", "lora", "base"} for scores in found.scores.values()) and found.scores
    card = (folder / "README.md").read_text()
    assert f"{found.losses.lora:.4f}" in card and "not the adapter itself" in card and "bleu4" in card
    capsys.readouterr()
    assert qft_here("export", "qwthn", "to=merged") == 2
    error = capsys.readouterr().err
    assert "to=lora" in error and f"{1 - found.share:.0%} of what the adapter adds at rank 2" in error
    assert not (place / "outputs/qwthn-merged").exists()


@pytest.mark.parametrize(
    "words, said",
    [
        (["tt_lora"], "to=merged or to=lora"),
        (["tt_lora", "to=gguf"], "to=gguf does not exist"),
        (["nothing", "to=lora"], "run=nothing does not exist"),
        (["tt_lora", "to=lora", "rank=1000", "out=x"], "rank=1000 is above what"),
        (["tt_lora", "to=lora", "rank=many", "out=x"], "rank=many should be a whole number"),
        (["tt_lora", "to=merged", "dtype=int8", "out=x"], "dtype=int8 does not exist"),
        (["tt_lora", "to=merged", "out=full"], "not empty and no export of qft"),
        (["tt_lora", "to=merged", "out=linked"], "is a link"),
        (["bare", "to=merged", "out=x"], "is missing"),
        (["tt_lora", "to=merged", "out=x", "model.path=quantised"], "not what"),
    ],
)
def test_what_cannot_be_exported_is_one_sentence_and_writes_nothing(place, capsys, words, said):
    full = place / "full"
    full.mkdir(exist_ok=True)
    (full / "mine.txt").write_text("mine")
    if not (place / "linked").is_symlink():
        (place / "linked").symlink_to(full)
    shutil.copytree(place / "outputs/tt_lora", place / "outputs/bare", dirs_exist_ok=True)
    shutil.rmtree(place / "outputs/bare/adapter")
    shutil.copytree(BASE, place / "quantised", dirs_exist_ok=True)
    stated = json.loads((place / "quantised/config.json").read_text()) | {"quantization_config": {"bits": 4}}
    (place / "quantised/config.json").write_text(json.dumps(stated))
    before = sorted(str(path) for path in place.rglob("*"))
    capsys.readouterr()
    assert qft_here("export", *words) == 2
    error = capsys.readouterr().err
    assert said in error and len(error.strip().splitlines()) == 1
    assert sorted(str(path) for path in place.rglob("*")) == before


@pytest.mark.parametrize("quantised, said", [(True, "quantised"), (False, "GB are free")])
def test_a_merge_is_refused_before_anything_is_loaded(place, monkeypatch, quantised, said):
    from qft.errors import QftError
    from qft.export import merged

    base = load.meta_base({"path": BASE})
    if quantised:
        base.config.quantization_config = {"quant_method": "bitsandbytes"}
    monkeypatch.setattr(load, "meta_base", lambda spec: base)
    monkeypatch.setattr(merged, "free_bytes", lambda: 10**6)
    with pytest.raises(QftError, match=said):
        merged.plan({"path": BASE}, "auto")


def test_a_merge_that_went_wrong_is_not_kept(place, monkeypatch, capsys):
    from qft.export import agreement

    monkeypatch.setattr(agreement, "ROUNDINGS", 1e-9)
    assert qft_here("export", "tt_lora", "to=merged", "out=wrong") == 2
    assert "it was not kept" in capsys.readouterr().err and not (place / "wrong").exists()
    assert not list(place.glob(".wrong*"))


@pytest.mark.extended
def test_exports_load_where_qft_cannot_be_imported(place):
    out = {name: qft.export_run(name, to="lora", out=f"alone-{name}") for name in ("tt_lora", "qwthn")}
    whole = qft.export_run("tt_lora", to="merged", out="alone-merged")
    asked = prompts(AutoTokenizer.from_pretrained(whole))
    run = greedy(qft.load_run("tt_lora").model(), asked)

    def alone(base: str, adapter: str | None) -> list[list[int]]:
        words = [sys.executable, "-c", ALONE, json.dumps([base, adapter, asked])]
        done = subprocess.run(words, cwd=Path(base).parent, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout)

    assert alone(str(whole.resolve()), None) == alone(BASE, str(out["tt_lora"].resolve())) == run
    nearest = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(BASE), str(out["qwthn"]))
    assert alone(BASE, str(out["qwthn"].resolve())) == greedy(nearest, asked)
