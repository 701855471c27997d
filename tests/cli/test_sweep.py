"""qft sweep and qft env as commands."""

import json
import shlex
from pathlib import Path

import pytest
from program import qft_here, qft_light

from qft.cli.env import environment
from qft.cli.sweep import arguments, command
from qft.config import SweepConfig
from qft.errors import QftError


def test_words_become_overrides() -> None:
    given = arguments(["table1", "--dry-run", "n=[20]", "paths.demo=x", "model.path=it's, here", "trainer.epochs=1"])
    assert given[:4] == ["sweep=table1", "dry_run=true", "n=[20]", "++paths.demo=x"]
    assert given[4] == r"options=['model.path=it\'s, here','trainer.epochs=1']"
    assert arguments(["sweep=noise"]) == ["sweep=noise"]
    with pytest.raises(QftError, match="table1"):
        arguments(["scale=demo"])


def test_the_command_in_a_sweeps_plan_is_the_one_that_was_typed() -> None:
    assert command(SweepConfig(sweep={"name": "table1"}, dir="x", workers=2)) == "qft sweep table1 scale=demo"
    chosen = SweepConfig({"name": "noise"}, "paper", rows=["lora"], datasets=["alpaca"], n=[20, 30], seeds=[1])
    chosen.paths, chosen.options = {"alpaca": "it's"}, ["a.b=1"]
    typed = ["noise", "scale=paper", "rows=[lora]", "datasets=[alpaca]", "n=[20,30]", "seeds=[1]"]
    assert shlex.split(command(chosen)) == ["qft", "sweep", *typed, "paths.alpaca=it's", "a.b=1"]


# words -> what is said of them
WRONG: list[tuple[list[str], list[str]]] = [
    (["tabel1"], ["sweep=tabel1", "'table1'"]),
    (["table1", "scale=dmeo"], ["scale=dmeo", "'demo'"]),
    (["table1", "adaptr=lora"], ["adaptr", "'adapter'"]),
    (["table1", "datasets=[nowhere]"], ["nowhere", "demo"]),
    (["table1", "retry=all"], ["retry=all", "failed"]),
    (["table1", "slurm.foo=1"], ["slurm.foo", "launcher=slurm"]),
    (["table1", "launcher=slurm", "slurm.cluster=local", "slurm.foo=1"], ["no option slurm.foo"]),
    (["table1", "workers=0"], ["workers=0"]),
    (["table1", "adapter=lora"], ["adapter=lora", "rows="]),
    (["table1", "trainer.lr=0.1"], ["trainer.lr=0.1", "searched"]),
]


@pytest.fixture(scope="module")
def wrong_words(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[int, str]]:
    folder = tmp_path_factory.mktemp("light")
    ended = qft_light([["sweep", *args] for args, _ in WRONG], folder)
    assert not (folder / "outputs").exists()
    return ended


@pytest.mark.xdist_group("light")  # one worker, or each would start the shared process
@pytest.mark.parametrize("case", range(len(WRONG)), ids=[" ".join(args) for args, _ in WRONG])
def test_wrong_words_are_one_sentence_and_load_nothing_heavy(case: int, wrong_words: list[tuple[int, str]]) -> None:
    code, error = wrong_words[case]
    assert code == 2 and error.startswith("qft: ") and "Traceback" not in error, error
    assert all(word in error for word in WRONG[case][1]), error


def test_a_dry_run_checks_counts_and_lists_without_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ["rows=[lora,qwthn]", "datasets=[demo_talk]", "adapter.r=0"]
    assert qft_here("sweep", "table1", "--dry-run", "scale=smoke", *options, "format=json") == 2
    out, error = capfd.readouterr()
    assert "cannot run as planned" in error
    document = json.loads(out)
    assert len(document["left"]) == len(document["cells"]) == 11 and document["seconds"] > 0
    assert all("r" in p for p in document["problems"].values()) and any("qwthn" in p for p in document["problems"])
    assert not list(tmp_path.iterdir()), "nothing is written"
    assert qft_here("sweep", "table1", "--dry-run", "scale=smoke", "max_seq_len=8") == 2  # answers get 8 tokens
    error = capfd.readouterr().err
    assert "table1-base-demo_talk-n20" in error and "max_seq_len=8" in error and "search" not in error
    assert qft_here("sweep", "table1", "--dry-run", "scale=smoke", "datasets=[cpsycoun,demo_talk]", "rows=[lora]") == 2
    error = capfd.readouterr().err
    assert "data=cpsycoun needs its source" in error and "demo_talk" not in error


def test_the_environment_holds_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    found = environment()
    assert "hf_secret" not in json.dumps(found) and found["variables"]["OMP_NUM_THREADS"] == "1"
    assert found["packages"]["torch"] and found["qft"] and set(found["git"]) == {"commit", "dirty"}
