"""The Python face: its page works as it stands, values mean themselves, and the caller's process stays as it was."""

import logging
import re
import signal
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from time import sleep
from types import SimpleNamespace
from typing import Any

import numpy
import pytest
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

import qft
from qft import progress, trust
from qft.compose.typed import OwnConfigsFirst, call, compose
from qft.config import EvalConfig, TrainConfig
from qft.errors import QftError
from qft.records import RunDirectory, new_record
from qft.runs.run import Run
from qft.runs.stored import of_run
from qft.training import callbacks

PAGE = Path(__file__).parent.parent / "docs/python.md"


def state() -> dict[str, Any]:
    """What a call could leave behind in a process."""
    library = logging.getLogger("transformers")
    return {
        "signals": [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)],
        "handlers": list(logging.getLogger().handlers),
        "levels": [logging.getLogger(name).level for name in ("", "qft")],
        "filters": [list(h.filters) for h in logging.getLogger().handlers],
        "library": (library.propagate, list(library.handlers)),
        "warnings": warnings.showwarning,
        "hydra": (GlobalHydra.instance().is_initialized(), OwnConfigsFirst.wanted),
        "resolver": OmegaConf.create({"a": "${oc.env:HOME,none}"}).a,
        "given": trust.given(),
        "argv": list(sys.argv),
    }


@pytest.fixture
def untouched() -> Iterator[None]:
    before = state()
    yield
    assert state() == before


def test_the_page_works_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], untouched: None
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S):
        exec(compile(block, PAGE.name, "exec"), names)
    run = names["run"]
    assert list(run.history.step) == [0, 1, 2] and run.history.validation_loss.notna().all()
    assert run.record.command == "qft.train('adapter=qwthn', n=20, trainer={'max_steps': 2}, run='first')"
    assert (run.record.training.lr, run.record.training.lr_automatic) == (0.01, True)
    assert len(run.predictions) == 2 and set(run.scores.columns) == {"value", "low", "high", "answers"}
    assert names["second"].path == Path("other runs", "it's the second") and "rouge1_standard" in run.scores.index
    assert "DEBUG" in (run.path / "log.txt").read_text()
    out, error = capfd.readouterr()
    assert out.startswith("adapter=qwtn does not exist.") and "step" not in out + error, "nothing else is printed"

    with pytest.raises(QftError, match="is finished; overwrite=true"):
        qft.train("adapter=qwthn", n=20, trainer={"max_steps": 2}, run="first")
    ended: list[Any] = []
    thread = Thread(target=lambda: ended.append(qft.score("first", "evaluation.metrics=[bleu]")))
    thread.start()
    thread.join()
    assert ended[0].path == run.path


def test_calls_of_several_threads_are_done_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, untouched: None
) -> None:
    monkeypatch.setattr("qft.compose.typed.compose", lambda *_: TrainConfig())  # or the threads would wait there
    running, most = [0], [0]

    def recipe(config: TrainConfig) -> RunDirectory:
        running[0] += 1
        most[0] = max(most[0], running[0])
        sleep(0.05)
        running[0] -= 1
        return RunDirectory(tmp_path)

    def train() -> None:
        call("train", TrainConfig, recipe, ["adapter=lora"], {}, "qft.train()")

    threads = [Thread(target=train) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]


@pytest.mark.parametrize("text", ["${oc.env:HOME}", r"\${n}", "a, {b}=[1] 'c' \"d\"", "null", "~/x", "=", "x\\"])
def test_no_character_of_a_value_has_a_meaning(text: str, untouched: None) -> None:
    with trust.command():
        config = compose("train", TrainConfig, ["data=jsonl"], {"data": {"path": Path(text)}, "output_dir": text})
    assert (config.data["path"], config.output_dir) == (str(Path(text)), text)


def test_values_of_every_sensible_type(untouched: None) -> None:
    values = {"eval": True, "trainer": {"max_steps": None, "lr": 1e-3, "report_to": ()}, "data.rows": None}
    with trust.command():
        config = compose("train", TrainConfig, ["adapter=lora"], values | {"evaluation.metrics": ["bleu"]})
    assert config.eval and config.trainer.lr == 1e-3 and config.evaluation.metrics == ["bleu"]
    numbers = {"n": numpy.int64(20), "trainer": {"lr": numpy.float64(0.5)}, "adapter": "lora"}
    with trust.command():
        config = compose("train", TrainConfig, [], numbers | {"model": {"config": {"model_type": "gpt2", "a": {}}}})
    assert (type(config.n), type(config.trainer.lr)) == (int, float), "as config.yaml takes them"
    assert config.model["config"] == {"model_type": "gpt2", "a": {}}, "where no mapping was"
    endless: dict[str, Any] = {}
    endless["path"] = [endless]
    for wrong, words in (
        ({"trainer": {"lrr": 1}}, "'trainer.lrr'.*'trainer.lr'"),
        ({"n": "many"}, "n: Value 'many'"),
        ({"adapter": "a b"}, "not a name"),
        ({"adapter": None}, "adapter='None' is not a name"),
        ({"data": 3}, "data='3' is not a name"),
        ({"data.metrics": {"a": 1}}, "data.metrics=.* should be of type list"),
        ({"model[path]": "x"}, r"no key 'model\[path\]'"),
        ({"trainer.": 1}, "no key 'trainer.'"),
        ({"data": endless}, "nested too deeply"),
        ({"trainer": {"lr": object()}}, "trainer.lr: a object cannot be"),
        ({"overwite": True}, "'overwite'.*'overwrite'"),
    ):
        with pytest.raises(QftError, match=words), trust.command():
            compose("train", TrainConfig, [], wrong)


@pytest.mark.parametrize("word", [3, None, Path("x"), "-m", "--cfg"])
def test_words_that_no_call_can_mean(word: Any, untouched: None) -> None:
    with pytest.raises(QftError, match=r"is no option|is for the command line"):
        qft.train(word)


def test_of_a_run_only_what_is_given_is_not_its_own(untouched: None) -> None:
    with trust.command():
        config = compose("eval", EvalConfig, ["data.overlong=drop"], {"run": "r", "model.path": "m"})
    assert (config.model, config.data) == ({"path": "m"}, {"overlong": "drop"})
    assert (config.n, config.seed, config.max_seq_len, config.evaluation.metrics) == (None, None, None, None)


@pytest.mark.parametrize(("word", "refused"), [("data=demo_math", True), ("model=demo", False), ("data=jsonl", False)])
def test_another_data_set_than_a_runs_is_refused(word: str, refused: bool, untouched: None) -> None:
    stored = TrainConfig(model={"name": "demo", "path": "p"}, data={"name": "jsonl", "path": "rows"})
    with trust.command():
        config = compose("eval", EvalConfig, [word], {"run": "r"})
    if refused:
        with pytest.raises(QftError, match=f"{word} is not what r was trained with"):
            of_run(config, stored, Path("r"))
    else:
        subject = of_run(config, stored, Path("r"))
        assert (subject.model, subject.data) == (stored.model, stored.data)


@pytest.mark.parametrize("what", ["model", "tokenizer"])
def test_nothing_of_another_base_is_loaded(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    RunDirectory(tmp_path).save(new_record(0, ()))  # trained with a base of another fingerprint
    subject = SimpleNamespace(model={"path": "package:qft/models/demo", "trust_remote_code": False, "hub": "hf"})
    monkeypatch.setattr("qft.runs.stored.subject", lambda config: subject)
    with pytest.raises(QftError, match="base model is not what"):
        getattr(Run(tmp_path), what)()


def test_a_notebook_shows_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", SimpleNamespace(isatty=lambda: False))
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    assert not progress.watched() and isinstance(callbacks.progress(), callbacks.Lines)
    monkeypatch.setitem(sys.modules, "ipykernel", SimpleNamespace())
    assert progress.watched() and isinstance(callbacks.progress(), callbacks.Bar)


def test_the_callers_logging_shows_what_it_would(capfd: pytest.CaptureFixture[str], untouched: None) -> None:
    root, ours = logging.getLogger(), logging.getLogger("qft")
    before, levels = list(root.handlers), (root.level, ours.level)
    root.handlers[:] = []
    root.setLevel(logging.WARNING)  # as Python starts, whatever ran in this process before
    ours.setLevel(logging.NOTSET)
    try:
        with progress.borrow_logging():
            root.addHandler(log := logging.NullHandler())
            records: list[str] = []
            log.handle = lambda record: records.append(record.getMessage())  # type: ignore[method-assign, assignment]
            for level in ("debug", "info", "warning"):
                getattr(logging.getLogger("qft.x"), level)("%s of ours", level)
            logging.getLogger("theirs").warning("a library's")
            root.removeHandler(log)
    finally:
        root.handlers[:] = before
        root.setLevel(levels[0])
        ours.setLevel(levels[1])
    assert records == ["debug of ours", "info of ours", "warning of ours", "a library's"], "as log.txt has it"
    assert capfd.readouterr().err == "warning of ours\n"
