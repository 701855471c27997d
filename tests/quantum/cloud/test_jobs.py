"""qft jobs on journals left by interrupted runs, in process, against the emulator."""

import json

import pytest
import service
import torch
from test_configs import composed

from qft.cli import jobs
from qft.errors import QftError
from qft.quantum import ansatz, backends
from qft.quantum.journal import Journal

CIRCUIT = ansatz.qwthn(2)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "qcloud.sqlite"


@pytest.fixture
def qft_jobs(path, monkeypatch, capsys):
    monkeypatch.setattr(jobs, "start_logging", lambda: None)

    def call(*overrides: str) -> dict[int, str]:
        config = composed("jobs", f"run={path.parent}", "backend.poll=0.01", "format=json", *overrides)
        config.backend.setdefault("name", "qcloud")
        jobs.run(config, [])
        return {j["id"]: j["state"] for j in json.loads(capsys.readouterr().out)["jobs"]}

    return call


def left(cloud, path, n: int = 4, **options) -> None:
    """A run of one circuit a job that ends badly."""
    backend = backends.load(
        "qcloud", url=cloud.url, journal=str(path), poll=0.01, deadline=0.05, batch_size=1, **options
    )
    try:
        with pytest.raises(QftError):
            backend.bind(CIRCUIT, torch.ones(4))(torch.linspace(-1, 1, 2 * n).reshape(2, n))
    finally:
        backend.close()


def test_jobs_that_stayed_open_are_listed_fetched_and_waited_for(cloud, path, qft_jobs, monkeypatch, capsys) -> None:
    cloud.set(faults=[{"where": "detail", "what": "stuck"}])
    left(cloud, path)
    monkeypatch.delenv("QFT_QCLOUD_KEY")
    assert set(qft_jobs().values()) == {"submitted"}  # without a key
    with pytest.raises(QftError, match="QFT_QCLOUD_KEY"):
        qft_jobs("action=wait")
    monkeypatch.undo()
    monkeypatch.setattr(jobs, "start_logging", lambda: None)
    monkeypatch.setenv("QFT_QCLOUD_KEY", service.KEY)
    cloud.set(faults=[{"where": "detail", "what": "stuck", "times": 3}])
    assert sorted(qft_jobs("action=fetch").values()) == ["done", "submitted", "submitted", "submitted"]
    assert set(qft_jobs("action=wait").values()) == {"done"}  # at the address the journal remembers
    assert cloud.seen()["requests"]["submit"] == 4


def test_open_jobs_are_cancelled_one_or_all(cloud, path, qft_jobs) -> None:
    cloud.set(delay=60)
    left(cloud, path)
    assert list(qft_jobs("action=cancel", "job=2").values()) == ["submitted", "cancelled", "submitted", "submitted"]
    assert set(qft_jobs("action=cancel").values()) == {"cancelled"}
    assert {j["state"] for j in cloud.seen()["jobs"].values() if len(j["texts"]) == 1} >= {"4"}


def test_a_lost_answer_is_decided_by_the_user(cloud, path, qft_jobs, caplog) -> None:
    for k in range(3):
        cloud.set(faults=[{"where": "submit", "what": "lose_reply", "times": 1}])
        left(cloud, path, n=1, shots=100 + k)
    assert set(qft_jobs().values()) == {"unknown"} and "attach" in caplog.text
    cloud.set(faults=[])
    tasks = [name for name, job in cloud.seen()["jobs"].items() if job["polls"] == 0][-3:]
    with pytest.raises(QftError, match="job=N"):
        qft_jobs("action=attach", f"task={tasks[0]}")
    with pytest.raises(QftError, match="task=ID"):
        qft_jobs("action=attach", "job=1")
    assert qft_jobs("action=attach", "job=1", f"task={tasks[0]}")[1] == "submitted"
    with pytest.raises(QftError, match="job 1 already"):
        qft_jobs("action=attach", "job=2", f"task={tasks[0]}")
    assert qft_jobs("action=forget", "job=2")[2] == "failed"
    assert cloud.seen()["requests"]["submit"] == 3
    states = qft_jobs("action=resubmit", "job=3")
    assert states[3] == "failed" and states[max(states)] == "submitted" and cloud.seen()["requests"]["submit"] == 4
    assert set(qft_jobs("action=wait").values()) == {"done", "failed"}
    with pytest.raises(QftError, match="Job 3 is failed"):
        qft_jobs("action=resubmit", "job=3")


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["action=lst"], "Did you mean 'list'"),
        (["action=forget"], "job=N"),
        (["task=T"], "action=attach"),
        (["job=9", "action=cancel"], "no job 9"),
        (["journal=nowhere.sqlite"], r"no journal nowhere\.sqlite"),
    ],
)
def test_bad_input(qft_jobs, path, overrides: list[str], words: str) -> None:
    Journal(path, "e").close()
    with pytest.raises(QftError, match=words):
        qft_jobs(*overrides)
