"""Ctrl-C, SIGTERM and SIGHUP: what they end, what is finished first, and what of it a user sees."""

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from program import qft_here

from qft.process.signals import Blocked, DeferredStop, Stopped, listen, number_of, restore

# sends the program SIGINT while it imports the module of this name
AT_IMPORT = """
import os, signal, sys

def hook(event, args):
    if event == "import" and args[0] == MODULE:
        os.kill(os.getpid(), signal.SIGINT)

MODULE = sys.argv.pop(1)
sys.addaudithook(hook)
from qft.__main__ import main
sys.exit(main())
"""


@pytest.fixture
def listening() -> Iterator[None]:
    before = listen(signal.SIGHUP)  # also where nohup has it ignored
    yield
    restore(before)


def tell(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_raises_once(number: signal.Signals, listening: None) -> None:
    with pytest.raises(Stopped) as stop:
        tell(number)
    assert stop.value.number == number and isinstance(stop.value, KeyboardInterrupt)
    tell(signal.SIGTERM)  # once more while the program tidies up
    tell(signal.SIGHUP)


def test_the_first_is_noted_and_ctrl_c_again_is_raised(listening: None, capfd: pytest.CaptureFixture[str]) -> None:
    with DeferredStop(message="saving") as stop:
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGHUP):
            tell(number)
        assert stop.number == signal.SIGTERM and not stop.repeated
        with pytest.raises(Stopped, match="SIGINT"):
            tell(signal.SIGINT)
    assert stop.repeated and capfd.readouterr().err == "saving\n"
    with pytest.raises(Stopped, match="SIGTERM"):
        stop.check()


def test_a_note_for_those_who_never_listened_is_of_ctrl_c_only() -> None:
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    with DeferredStop() as stop:
        tell(signal.SIGINT)
        assert signal.getsignal(signal.SIGTERM) == before[signal.SIGTERM]
    assert stop.number == signal.SIGINT and signal.getsignal(signal.SIGINT) == before[signal.SIGINT]


def test_what_was_ignored_stays_ignored_unless_it_is_asked_for() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        handlers = listen()
        tell(signal.SIGHUP)
        with DeferredStop() as stop:
            tell(signal.SIGHUP)
        assert stop.number is None
        restore(handlers)
        handlers = listen(signal.SIGHUP)
        with pytest.raises(Stopped):
            tell(signal.SIGHUP)
        restore(handlers)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_in_another_thread_handlers_stay_as_they_are() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen: list[object] = []

    def work() -> None:  # a notebook or a server may call us from any thread
        handlers = listen()
        with DeferredStop() as stop:
            seen.extend([handlers, stop.number, signal.getsignal(signal.SIGINT)])
        restore(handlers)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [{}, None, before] and signal.getsignal(signal.SIGINT) == before


def test_a_blocked_signal_comes_when_the_block_ends(listening: None) -> None:
    with pytest.raises(Stopped) as stop, Blocked(signal.SIGTERM):
        # to this thread: another one of the process may not block it, and Python would hear it at once
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
        done = True
    assert done and number_of(stop.value) == signal.SIGTERM
    assert number_of(KeyboardInterrupt()) == signal.SIGINT


@pytest.mark.parametrize("module", ["qft.cli._help", "hydra", "torch"])
def test_ctrl_c_during_an_import_ends_the_program_without_a_traceback(module: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", AT_IMPORT, module, "train", "adapter=lora", "n=20"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 130 and "qft: interrupted" in done.stderr and "Traceback" not in done.stderr
    assert not list(tmp_path.glob("outputs/*"))


def test_answers_are_kept_when_an_evaluation_is_told_to_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from qft.evaluation import generate

    monkeypatch.chdir(tmp_path)
    args = ["eval", "n=20", "evaluation.limit=4", "evaluation.batch_size=2", "evaluation.max_new_tokens=4"]
    args += ["evaluation.metrics=[bleu]", "out=here"]
    decode, calls = generate.decode, itertools.count()

    def told(*given: object) -> str:
        if next(calls) == 3:  # the second batch
            tell(signal.SIGTERM)
        return decode(*given)  # type: ignore[arg-type]

    def rows() -> list[dict]:
        return [json.loads(line) for line in (tmp_path / "here/predictions.jsonl").read_text().splitlines()]

    monkeypatch.setattr(generate, "decode", told)
    assert qft_here(*args) == 143
    kept = rows()
    assert 2 <= len(kept) < 4 and not (tmp_path / "here/metrics.json").exists()
    assert qft_here(*args) == 0
    assert len(rows()) == 4 and all(row in rows() for row in kept[:2]), "answers of a finished batch are not made again"
