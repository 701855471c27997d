"""The process that compares answers: what its limit counts, and what the machine may do to it."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import psutil
import pytest

from qft.errors import QftError
from qft.evaluation.answers import judge as room
from qft.evaluation.answers.equality import __file__ as program
from qft.evaluation.answers.judge import Comparison, Judge
from qft.evaluation.metrics.base import Pair
from qft.evaluation.metrics.reasoning import score

HARD = ("2\\sqrt{3}", "\\sqrt{12}")  # not plain: a process compares them
TOWER = "9^{9^{9^{9}}}"


@pytest.fixture(scope="module")
def shared() -> Iterator[Judge]:
    """One judge for several tests: starting its process is what takes time."""
    with Judge() as judge:
        yield judge
        last = judge.pid
    assert last is None or not psutil.pid_exists(last), "nothing is left behind"


def test_plain_numbers_and_words_need_no_process(shared: Judge) -> None:
    assert shared("57", "57.0", 1).same and not shared("1/2", "0.49", 1).same and not shared("red", "blue", 1).same
    assert not shared("1", "1" * 100_000, 1).same and shared.pid is None


def test_one_process_compares_all_until_a_comparison_does_not_end(shared: Judge) -> None:
    assert shared(*HARD, 60).same is True
    first = shared.pid
    assert shared("\\sqrt{3}", "57", 60).same is False and shared.pid == first
    assert shared(TOWER, "\\sqrt{1}", 0.2) == Comparison(None, 0.2) and shared.pid is None
    assert shared(*HARD, 60).same is True, "the next comparison gets a new process"


def test_time_in_which_the_process_does_not_compute_does_not_count(shared: Judge) -> None:
    os.kill(shared.pid or 0, signal.SIGSTOP)
    resume = threading.Timer(1.0, os.kill, (shared.pid, signal.SIGCONT))
    resume.start()
    assert shared("3\\sqrt{3}", "\\sqrt{27}", 0.7).same is True
    resume.join()


def test_hostile_answers_end(shared: Judge) -> None:
    for candidate in ("9" * 1999 + "!", "1e999", "\\sqrt{" * 50 + "2" + "}" * 50, "10^{10^{10}}"):
        assert not shared("57", candidate, 0.3).same, candidate[:20]
    assert shared.pid is None, "the last one has ended the process"


def test_what_the_machine_does_to_the_process_is_tried_again(shared: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shared(*HARD, 60).same
    monkeypatch.setattr(room, "IDLE", 1.0)
    os.kill(shared.pid or 0, signal.SIGSTOP)
    assert shared(*HARD, 60).same is True
    process = psutil.Process(shared.pid)
    process.kill()  # as the system does when memory runs out
    process.wait(60)
    assert shared(*HARD, 60).same is True


def test_what_cannot_be_judged_is_left_out_and_never_wrong(monkeypatch: pytest.MonkeyPatch, caplog, tmp_path) -> None:
    (tmp_path / "dying.py").write_text("import os\nprint('ready', flush=True)\ninput()\nos.kill(os.getpid(), 9)")
    monkeypatch.setattr(room.equality, "__file__", str(tmp_path / "dying.py"))
    reference = "<think>x</think> \\boxed{2\\sqrt{3}}"
    pairs = [Pair("<think>x</think> \\boxed{\\sqrt{12}}", reference), Pair(reference, reference)]
    sa, accuracy, *_ = score(pairs)
    assert sa.per_sample == accuracy.per_sample == [None, 100] and sa.value == 100
    assert sa.reasons == ["not judged: its process was ended by SIGKILL", "the answer's box: 2\\sqrt{3} is 2\\sqrt{3}"]
    assert "judged:1 of 2" in sa.signature and "1 of 2 answers are left out: not judged" in caplog.text


@pytest.mark.parametrize(
    ("script", "words"),
    [("raise SystemExit('no room')", "no room"), ("import os; os.kill(os.getpid(), 9)", "was ended by SIGKILL")],
)
def test_a_process_that_does_not_start_is_an_error_and_no_score(monkeypatch, tmp_path, script: str, words: str) -> None:
    (tmp_path / "broken.py").write_text(script)
    monkeypatch.setattr(room.equality, "__file__", str(tmp_path / "broken.py"))
    with Judge() as judge, pytest.raises(QftError, match=f"does not start: .*{words}"):
        judge(*HARD, 60)
    monkeypatch.setattr(room.importlib.util, "find_spec", lambda name: None)
    with Judge() as judge, pytest.raises(QftError, match="pip install"):
        judge(*HARD, 60)


@pytest.mark.extended
def test_right_answers_score_on_a_busy_machine() -> None:
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(10)]
    try:
        pairs = [
            Pair(f"<think>x</think> \\boxed{{\\sqrt{{{k * k}}}}}", f"<think>x</think> \\boxed{{{k}}}")
            for k in range(2, 52)
        ]
        endless = Pair(f"<think>x</think> \\boxed{{{TOWER}}}", "<think>x</think> \\boxed{57}")
        sa = score([endless, *pairs], seconds=0.5)[0]
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert sa.per_sample == [0, *[100] * 50]
    assert "57 was not found within 0.5 seconds" in sa.reasons[0]


def test_it_runs_without_this_package() -> None:
    """The process is found by its path: no search path, so none of our modules can hide one it needs."""
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    questions = [("1/2", "0.5"), ("(", "\\frac{")]
    lines = "".join(json.dumps({"target": t, "candidate": c, "seconds": 60}) + "\n" for t, c in questions)
    done = subprocess.run([sys.executable, "-P", program], input=lines, env=env, capture_output=True, text=True)
    ready, *replies = done.stdout.splitlines()
    assert ready == "ready" and [json.loads(r)["same"] for r in replies] == [True, False] and done.returncode == 0
