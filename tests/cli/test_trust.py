"""What a stranger's run or ./configs may not have done, and what the user's own word on the command line allows."""

import hashlib
import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf
from program import qft_here

from qft import trust
from qft.adapters import methods
from qft.compose import trusted
from qft.data import prepare
from qft.errors import QftError
from qft.evaluation.evaluate import recorded_batch_size

CONFIGS = Path(__file__).parents[2] / "configs"
OLD = Path(__file__).parents[1] / "fixtures/v0.1.0"
SECRET = "a-key-nobody-may-see"
# notes that it was imported and called; a real plug-in otherwise
MINE = """
import pathlib
pathlib.Path("imported").touch()
import json
from qft.errors import QftError
from qft.data.datasets.base import Source
from peft import LoraConfig

class Config(LoraConfig): ...

def load(path=None, rows=None, **options) -> Source:
    pathlib.Path("called").touch()
    raise QftError("that is enough")

def callback(**_):
    pathlib.Path("called").touch()
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory beside a module of somebody's, ``stranger``, which Python would find."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/stranger.py").write_text(MINE)
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    monkeypatch.setenv("QFT_QCLOUD_KEY", SECRET)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("stranger", None)


def write(file: str, content: object) -> None:
    path = Path(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False))


def refused(capfd: pytest.CaptureFixture[str], *args: str) -> str:
    """The command fails with one sentence; nothing of ``stranger`` was imported and nothing made."""
    capfd.readouterr()
    assert qft_here(*args) == 2
    out, error = capfd.readouterr()
    assert "Traceback" not in error and "qft: " in error, error
    assert SECRET not in out + error
    assert not Path("imported").exists() and not Path("called").exists(), "a stranger's code ran"
    assert not Path("outputs").exists()
    return error


def stored(change: dict, here: Path) -> str:
    """A finished run whose config and digests a stranger wrote."""
    run = here / "run"
    shutil.copytree(OLD / "run", run)
    config = yaml.safe_load((run / "config.yaml").read_text())
    for group, values in change.items():
        config[group] |= values
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    marker = json.loads((run / "COMPLETE").read_text())
    data = (run / "config.yaml").read_bytes()
    marker["files"]["config.yaml"] = [len(data), hashlib.sha256(data).hexdigest()]
    (run / "COMPLETE").write_text(json.dumps(marker))
    return "run=run"


def test_a_stored_config_builds_nothing_but_our_datasets(here: Path, capfd) -> None:
    assert "data._target_=stranger.load is outside" in refused(
        capfd, "eval", stored({"data": {"_target_": "stranger.load"}}, here)
    )
    for target in (
        "subprocess.call",
        "qft.data.datasets.demo.json.loads",
        "qft.data.datasets.demo.random",
        "qft.data.sources.hub_rows",
        "qft.data.datasets_of_mine.load",
        "os.system",
        ["os.system"],
        "qft.data.datasets.",
        "",
    ):
        with pytest.raises(QftError, match=r"data\._target_"):
            prepare.load({"_target_": target})
    assert "stranger" not in sys.modules


def test_a_stored_target_counts_when_the_user_repeats_it_and_only_then(here: Path, capfd) -> None:
    run = stored({"data": {"_target_": "stranger.load"}}, here)
    assert qft_here("eval", run, "data._target_=stranger.load") == 2
    assert "that is enough" in capfd.readouterr().err and Path("called").exists()
    for mark in ("called", "imported"):
        Path(mark).unlink()
    refused(capfd, "eval", run)
    write("configs/data/mine.yaml", "_target_: stranger.load\n")
    refused(capfd, "eval", run)
    assert qft_here("eval", run, "trust_configs=true") == 2
    assert "that is enough" in capfd.readouterr().err


def test_an_adapter_is_a_config_of_peft_and_a_dataset_says_that_it_is_one(here: Path, capfd) -> None:
    for target in ("os.system", "peft.get_peft_model", "peft.os.system", "torch.load", "peftt.X", "7"):
        with trust.command(), pytest.raises(QftError, match=r"adapter\._target_"):
            trust.extend([target])  # as the command line does
            methods.of({"_target_": target})
    assert "not an adapter config" in refused(capfd, "params", "adapter._target_=os.system")
    for target in ("os.system", "pickle.load", "qft.records.read_json"):
        with trust.command(), pytest.raises(QftError, match="not a dataset"):
            trust.extend([target])
            prepare.load({"_target_": target})
    assert "not a dataset" in refused(capfd, "data", "data._target_=os.system")


def test_configs_found_here_build_only_what_is_ours_or_trusted_each_time(here: Path, capfd) -> None:
    write("configs/adapter/mine.yaml", "_target_: stranger.Config\nr: 2\ntarget_modules: [q_proj]\n")
    assert "trust_configs=true" in refused(capfd, "params", "adapter=mine")
    write("configs/params.yaml", (CONFIGS / "params.yaml").read_text().replace("configs: false", "configs: true"))
    assert "command line only" in refused(capfd, "params", "adapter=mine")
    Path("configs/params.yaml").unlink()
    assert qft_here("params", "adapter=mine", "trust_configs=true", "format=json") == 0
    assert json.loads(capfd.readouterr().out)["trainable"] > 0
    sys.modules.pop("stranger")
    Path("imported").unlink()
    refused(capfd, "params", "adapter=mine")
    assert qft_here("params", "adapter=mine", "adapter._target_=stranger.Config") == 0


CALL = {"_target_": "stranger.callback"}


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("configs/params.yaml", {"hydra": {"callbacks": {"x": CALL}}}, "hydra.callbacks"),
        ("configs/params.yaml", {"hydra": {"launcher": CALL}}, "hydra.launcher"),
        ("configs/params.yaml", {"hydra": {"sweeper": CALL}}, "hydra.sweeper"),
        ("configs/params.yaml", {"hydra": {"searchpath": ["pkg://stranger"]}}, "hydra.searchpath"),
        ("configs/params.yaml", {"hydra": {"job": {"env_copy": ["QFT_QCLOUD_KEY"]}}}, "hydra.job"),
        ("configs/params.yaml", {"hydra": {"job": {"env_set": {"HF_ENDPOINT": "http://x"}}}}, "hydra.job"),
        (
            "configs/params.yaml",
            {"hydra": {"job_logging": {"handlers": {"x": {"()": "stranger.callback"}}}}},
            "hydra.job_logging",
        ),
        ("configs/adapter/lora.yaml", "# @package hydra.callbacks\nx: {_target_: stranger.callback}\n", "hydra.callb"),
        ("configs/adapter/lora.yaml", "# @package _global_\nhydra: {callbacks: {x: {_target_: a.b}}}\n", "hydra.callb"),
        ("configs/hydra/callbacks/x.yaml", "x: {_target_: stranger.callback}\n", "hydra.callbacks"),
    ],
)
def test_keys_of_hydra_are_not_taken_from_configs_found_here(file, content, words, here: Path, capfd) -> None:
    """Composed from the packaged file with the stranger's keys in it, so that everything else is as usual."""
    if isinstance(content, dict) or "hydra/" in file:
        main = yaml.safe_load((CONFIGS / "params.yaml").read_text())
        if isinstance(content, dict):
            main["hydra"] |= content["hydra"]
        else:
            main["defaults"].append({"override hydra/callbacks": "x"})
            write(file, content)
        write("configs/params.yaml", main)
    else:
        write(file, content)
    assert words in refused(capfd, "params", "-m", "adapter=dora,lora", "seed=0,1")


def test_options_of_hydra_are_none_of_ours(here: Path, capfd) -> None:
    for word in ("hydra.callbacks={x:{_target_:stranger.callback}}", "hydra/launcher=x", "++hydra.verbose=true"):
        assert "hydra" in refused(capfd, "params", word)


READING = (
    "${oc.env:QFT_QCLOUD_KEY}",
    "${oc.decode:${oc.env:QFT_QCLOUD_KEY}}",
    "${${seed}.env:QFT_QCLOUD_KEY}",
    "\\${oc.env:QFT_QCLOUD_KEY}",
    "${hydra.job.env_set.QFT_QCLOUD_KEY}",
    "${.hydra.job}",
    "${hydra:job.env_set}",
    "${oc.select:nowhere,${oc.env:QFT_QCLOUD_KEY}}",
    "${oc.select:hydra.job.env_set.QFT_QCLOUD_KEY,x}",
    "${oc.env:QFT_QCLOUD_KEY,x}",
)


def test_of_interpolations_only_ours_resolve() -> None:
    for text in READING:
        for content in ({"a": text}, {"a": {"b": [{"c": f"x{text}"}]}}, {"a": {text: 1}}):
            with pytest.raises(QftError, match="only the interpolations"):
                trusted.check_interpolations(OmegaConf.create(content))
    ours = {"a": "${model.lr}", "b": "${seed}", "c": "${oc.select:model.quanta_axes,null}", "d": "$5 {x} ${a}-${b}"}
    trusted.check_interpolations(OmegaConf.create(ours))


def test_no_interpolation_reads_the_environment(here: Path, capfd) -> None:
    text = READING[0]
    refused(capfd, "params", f"model.name='{text}'")
    refused(capfd, "train", f"output_dir='{text}'", "-m", "seed=0,1")
    write("configs/model/mine.yaml", yaml.safe_load((CONFIGS / "model/demo.yaml").read_text()) | {"name": text})
    refused(capfd, "params", "model=mine")
    qft_here("params", "model=mine", "--cfg", "job", "--resolve")  # looking at it is allowed
    assert SECRET not in "".join(capfd.readouterr())
    for choice in (text, "${hydra:job.env_set}"):  # resolved by Hydra before any check of ours
        write("configs/params.yaml", {"defaults": ["params_schema", {"model": "demo"}, {"adapter": choice}, "_self_"]})
        refused(capfd, "params")


def test_a_metric_s_options_are_not_resolved_a_second_time(here: Path, capfd) -> None:
    shutil.copytree(OLD / "run", "run")
    write("configs/metric/bleu.yaml", "tokenize: ${oc.env:QFT_QCLOUD_KEY}\n")
    assert "tokenize: only the interpolations" in refused(capfd, "score", "run=run", "evaluation.metrics=[bleu]")


def test_code_of_a_model_is_run_only_on_the_user_s_word(here: Path, capfd) -> None:
    demo = yaml.safe_load((CONFIGS / "model/demo.yaml").read_text())
    write("configs/model/mine.yaml", demo | {"trust_remote_code": True})
    assert "model.trust_remote_code=true" in refused(capfd, "params", "model=mine")


@pytest.mark.parametrize(
    "said",
    ["adapter._target_=stranger.Config", "model.trust_remote_code=true", "trust_configs=true", "hydra.verbose=true"],
)
def test_a_sweep_found_here_does_not_speak_for_the_user(said: str, here: Path, capfd) -> None:
    sweep = yaml.safe_load((CONFIGS / "sweep/table1.yaml").read_text())
    sweep["rows"] = {"lora": {"label": "LoRA", "adapter": "lora", "set": [said]}}
    write("configs/sweep/mine.yaml", sweep)
    assert "sweep.rows.lora.set[0]" in refused(capfd, "sweep", "mine", "scale=smoke")


def test_a_sweep_found_here_does_not_put_the_user_s_words_together(here: Path, capfd) -> None:
    sweep = yaml.safe_load((CONFIGS / "sweep/table1.yaml").read_text()) | {"name": "tru"}
    sweep["rows"] = {"lora": {"label": "L", "adapter": "lora", "set": ["model.${sweep.name}st_remote_code=true"]}}
    write("configs/sweep/mine.yaml", sweep)
    assert "sweep.rows.lora.set[0]" in refused(capfd, "sweep", "mine", "scale=smoke")


def test_options_of_a_sweep_found_here_are_not_the_user_s(here: Path, capfd) -> None:
    ours = yaml.safe_load((CONFIGS / "sweep.yaml").read_text())
    write("configs/sweep.yaml", ours | {"options": ["trainer.max_steps=1", "model.trust_remote_code=true"]})
    assert "options[1]" in refused(capfd, "sweep", "table1", "scale=smoke")
    for options in ({"slurm_setup": ["touch x"]}, {"slurm_additional_parameters": {"a": "x\ntouch x"}}):
        write("configs/sweep.yaml", ours | {"launcher": "slurm", "slurm": {"cluster": "debug", **options}})
        words = ("sweep", "table1", "scale=smoke", "slurm.cluster=debug")
        assert f"slurm.{next(iter(options))}" in refused(capfd, *words)


def test_a_stored_word_on_a_model_s_code_does_not_count(here: Path, capfd) -> None:
    said = refused(capfd, "eval", stored({"model": {"trust_remote_code": True}}, here))
    assert "say so each time" in said and "model.trust_remote_code=true" in said


def test_a_pipe_in_a_run_is_one_sentence(here: Path, capfd) -> None:
    shutil.copytree(OLD / "run", "run")
    for name in ("predictions.jsonl", "config.yaml", "adapter/x.safetensors"):
        kept = Path("run", name).read_bytes() if Path("run", name).exists() else None
        Path("run", name).unlink(missing_ok=True)
        os.mkfifo(Path("run", name))
        for command in ("eval", "score"):
            assert "pipe" in refused(capfd, command, "run=run", "evaluation.metrics=[rouge]")
        Path("run", name).unlink()
        if kept is not None:
            Path("run", name).write_bytes(kept)


@pytest.mark.parametrize("number", ["NaN", "1e999", "1" + "0" * 400], ids=["nan", "inf", "long"])
def test_numbers_of_a_run_that_are_none_are_one_sentence(number: str, here: Path, capfd) -> None:
    shutil.copytree(OLD / "run", "run")
    for file, key in (("predictions.jsonl", "seconds"), ("metrics.json", "perplexity"), ("evaluation.json", "count")):
        text = Path("run", file).read_text()
        Path("run", file).write_text(re.sub(rf'"{key}": [\d.e+-]+', f'"{key}": {number}', text))
        assert file in refused(capfd, "score", "run=run", "evaluation.metrics=[rouge]")
        Path("run", file).write_text(text)


def test_a_model_card_of_junk_is_one_sentence(here: Path, capfd) -> None:
    shutil.copytree(OLD / "run", "run")
    record = json.loads(Path("run/record.json").read_text())
    Path("run/record.json").write_text(json.dumps(record | {"training": {"validation_loss": "x"}}))
    assert "record.json is damaged" in refused(capfd, "score", "run=run", "evaluation.metrics=[rouge]")


def test_no_job_is_sent_again_at_the_word_of_configs_found_here(here: Path, capfd) -> None:
    ours = yaml.safe_load((CONFIGS / "jobs.yaml").read_text())
    write("configs/jobs.yaml", ours | {"action": "resubmit", "job": 1})
    assert "action=resubmit can cost" in refused(capfd, "jobs", "journal=x.sqlite")
    assert "no journal" in refused(capfd, "jobs", "journal=x.sqlite", "action=list")


def test_nothing_is_overwritten_at_the_word_of_configs_found_here(here: Path, capfd) -> None:
    shutil.copytree(OLD / "run", "runs/mine")
    kept = Path("runs/mine/adapter/adapter_model.safetensors").read_bytes()
    ours = yaml.safe_load((CONFIGS / "train.yaml").read_text())
    write("configs/train.yaml", ours | {"output_dir": "runs", "run": "mine", "overwrite": True})
    assert "overwrite=true deletes" in refused(capfd, "train", "adapter=lora")
    assert Path("runs/mine/adapter/adapter_model.safetensors").read_bytes() == kept


def test_an_interpolation_that_leads_nowhere_is_one_sentence(here: Path, capfd) -> None:
    demo = yaml.safe_load((CONFIGS / "model/demo.yaml").read_text())
    for text in ("${nosuch}", "${model.name}"):
        write("configs/model/mine.yaml", demo | {"name": text})
        assert "cannot be resolved" in refused(capfd, "params", "model=mine")


def test_nothing_of_another_base_is_loaded(here: Path, capfd) -> None:
    """Its tokenizer is broken, and the fingerprint is complained of all the same."""
    import qft

    shutil.copytree(Path(qft.__file__).parent / "models/demo", "other")
    for file in ("config.json", "tokenizer.json"):
        Path("other", file).write_text("{")
    run = stored({}, here)
    assert "base model is not what" in refused(capfd, "eval", run, "model.path=./other")
    Path("run/COMPLETE").unlink()
    options = ["n=20", "trainer.max_steps=2", "trainer.batch_size=4", "adapter.r=2", "adapter.target_modules=[q_proj]"]
    said = refused(capfd, "train", *options, "output_dir=.", "run=run", "resume=true", "model.path=./other")
    assert "base model is not what" in said


@pytest.mark.parametrize("text", ["", "[]", "7", "model: 5", "\x00", "a: 2026-99-99", "[" * 5000, "model: {path: [1]}"])
def test_a_junk_config_of_a_run_is_one_sentence(text: str, here: Path, capfd) -> None:
    shutil.copytree(OLD / "run", "run")
    Path("run/config.yaml").write_text(text)
    assert "config.yaml" in refused(capfd, "eval", "run=run")


def test_junk_scores_of_a_run_are_one_sentence(here: Path, capfd) -> None:
    shutil.copytree(OLD / "run", "run")
    for text in (
        "[]",
        "7",
        "[" * 5000,
        '{"metrics": 5}',
        '{"metrics": {"test": []}}',
        '{"scored_with": [{}]}',
        '{"base": {"test": {"x": {}}}}',
    ):
        Path("run/metrics.json").write_text(text)
        assert "metrics.json is damaged" in refused(capfd, "score", "run=run", "evaluation.metrics=[rouge]")
    Path("run/predictions.jsonl").write_text("[" * 5000 + "\n")
    Path("run/metrics.json").unlink()
    assert "predictions.jsonl, row 1" in refused(capfd, "score", "run=run", "evaluation.metrics=[rouge]")
    for size in ("x", 0, -1, [], True, None, 1.5):
        Path("run/evaluation.json").write_text(json.dumps({"batch_size": size}))
        assert recorded_batch_size(Path("run")) is None
