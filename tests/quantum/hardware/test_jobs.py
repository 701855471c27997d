"""qft jobs on journals left by interrupted runs, in process, against the emulator."""

import copy
import functools
import json
import sqlite3
from dataclasses import dataclass

import pytest
import service
import torch
from program import qft_here
from test_configs import composed

from qft.cli import jobs
from qft.config import JobsConfig
from qft.errors import QftError
from qft.quantum import ansatz, backends
from qft.quantum.hardware.clients.base import Program, canonical
from qft.quantum.hardware.journal import STATES, Journal, integrity

CIRCUIT = ansatz.qwthn(2)
TEXT = "QINIT 1\nCREG 1\nU3 q[0],(0.{:06},0.100000,0.200000)\nMEASURE q[0],c[0]\n"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "qcloud.sqlite"


@functools.cache
def standard() -> JobsConfig:
    config = composed("jobs", "backend.poll=0.01", "format=json")
    config.backend.setdefault("name", "qcloud")
    return config


@pytest.fixture
def qft_jobs(cloud, path, monkeypatch, capsys):
    monkeypatch.setattr(jobs, "start_logging", lambda: None)

    def call(*overrides: str) -> dict[int, str]:
        config = copy.deepcopy(standard())
        config.run = str(path.parent)
        for key, value in (o.split("=", 1) for o in overrides):
            group, _, option = key.rpartition(".")
            if group:
                config.backend[option] = value
            else:
                setattr(config, key, int(value) if key == "job" else value)
        jobs.run(config)
        return {j["id"]: j["state"] for j in json.loads(capsys.readouterr().out)["jobs"]}

    return call


@pytest.fixture
def there(cloud) -> str:
    """The address, as the user says it again."""
    return f"backend.url={cloud.url}"


def left(cloud, path, n: int = 4, **options) -> None:
    """A run of one circuit a job that ends badly."""
    standard = {"poll": 0.01, "deadline": 0.05, "batch_size": 1}
    backend = backends.load("qcloud", url=cloud.url, journal=str(path), **(standard | options))
    try:
        with pytest.raises(QftError):
            backend.bind(CIRCUIT, torch.ones(4))(torch.linspace(-1, 1, 2 * n).reshape(2, n))
    finally:
        backend.close()


def test_jobs_that_stayed_open_are_listed_fetched_and_waited_for(
    cloud, path, qft_jobs, there, monkeypatch, capsys
) -> None:
    cloud.set(faults=[{"where": "detail", "what": "stuck"}])
    left(cloud, path)
    with monkeypatch.context() as without:
        without.delenv("QFT_QCLOUD_KEY")
        assert set(qft_jobs().values()) == {"submitted"}
        with pytest.raises(QftError, match="QFT_QCLOUD_KEY"):
            qft_jobs("action=wait", there)
    cloud.set(faults=[{"where": "detail", "what": "stuck", "times": 3}])
    assert sorted(qft_jobs("action=fetch", there).values()) == ["done", "submitted", "submitted", "submitted"]
    assert set(qft_jobs("action=wait", there).values()) == {"done"}
    assert cloud.seen()["requests"]["submit"] == 4


def test_open_jobs_are_cancelled_one_or_all(cloud, path, qft_jobs, there) -> None:
    cloud.set(delay=3600)
    left(cloud, path)
    cancel = ("action=cancel", there)
    assert list(qft_jobs(*cancel, "job=2").values()) == ["submitted", "cancelled", "submitted", "submitted"]
    assert set(qft_jobs(*cancel).values()) == {"cancelled"}
    assert {j["state"] for j in cloud.seen()["jobs"].values() if len(j["texts"]) == 1} >= {"4"}


# -- every state and every action


@dataclass(frozen=True)
class Way:
    """Where an action leads from a state: the job's own state then, and how many jobs are sent."""

    state: str
    sent: int = 0


TABLE = {
    "planned": {"cancel": Way("dropped"), "attach": Way("submitted"), "resubmit": Way("submitted", sent=1)}
    | {"forget": Way("dropped")},
    "submitted": {"wait": Way("done"), "fetch": Way("done"), "cancel": Way("cancelled"), "detach": Way("unknown")},
    "unknown": {"attach": Way("submitted"), "resubmit": Way("failed", sent=1), "forget": Way("failed")},
    "done": {},
    "failed": {"attach": Way("submitted"), "resubmit": Way("failed", sent=1)},
    "cancelled": {"attach": Way("submitted"), "resubmit": Way("cancelled", sent=1)},
    "dropped": {"attach": Way("submitted"), "resubmit": Way("dropped", sent=1)},
    # everything else is refused; an id that the user gave by hand can be taken away whatever came of it
    "submitted by hand": {"wait": Way("done"), "fetch": Way("done"), "cancel": Way("cancelled")}
    | {"detach": Way("unknown")},
    "done by hand": {"detach": Way("unknown")},
    "failed by hand": {"attach": Way("submitted"), "resubmit": Way("failed", sent=1), "detach": Way("unknown")},
    "cancelled by hand": {"attach": Way("submitted"), "resubmit": Way("cancelled", sent=1), "detach": Way("unknown")},
}


ELSEWHERE = {"list", "devices", "find"}  # of no single job, or not of a service that looks no jobs up


def one_job(cloud, path, state: str) -> str:
    """A journal with one job in this state, which the service has; the service's id of another one that it has."""
    journal = Journal(path, "e")
    bound = [Program(TEXT.format(k), "origin_wukong", 50, canonical({"amend_flag": 0})) for k in range(2)]
    keys = journal.request("r", bound, fresh=False)
    journal.plan(keys, 5)
    tasks = [submitted(cloud, [b.text for b in bound]) for _ in range(2)]
    name, hand = state.removesuffix(" by hand"), state.endswith(" by hand")
    if name == "submitting":
        journal.mark_submitting(1, cloud.url)
    elif name == "dropped":
        journal.set_state(1, name)
    elif name != "planned":
        journal.mark_submitting(1, cloud.url)
        if name == "unknown":
            journal.set_state(1, name)
        else:
            journal.attach_by_hand(1, tasks[0], cloud.url) if hand else journal.attach(1, tasks[0])
            if name == "done":
                journal.store(1, [{"0": 50}, {"1": 50}])
            elif name != "submitted":
                journal.set_state(1, name)
    journal.close()
    return tasks[1]


def submitted(cloud, texts: list[str]) -> str:
    """A job that the service has."""
    import urllib.request

    configuration = {"shot": 50, "circuitOptimization": False, "amendFlag": 0}
    body = {"QProg": texts, "Configuration": configuration, "ChipID": "72"}
    headers = {"Authorization": f"oqcs_auth={service.KEY}"}
    url = f"{cloud.url}/oqcs/task/origin/submit.json"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as reply:
        return json.load(reply)["obj"]["taskId"]


def test_the_table_is_whole() -> None:
    assert {s.removesuffix(" by hand") for s in TABLE} == {*STATES} - {"submitting"}
    assert {a for ways in TABLE.values() for a in ways} == {*jobs.ACTIONS} - ELSEWHERE
    for state in TABLE:
        reached, todo = set(), [state]
        while todo:  # a result, or another attempt, can be had from every state
            if (name := todo.pop()) not in reached:
                reached.add(name)
                todo += [w.state for w in TABLE.get(name, {}).values()]
        assert "done" in reached, state
        assert any(w.sent for name in reached for w in TABLE[name].values()) or state == "done", state


@pytest.mark.parametrize("state", [*TABLE, "submitting"])
def test_every_action_in_every_state(cloud, path, qft_jobs, there, state) -> None:
    cloud.set(faults=[])
    name = state.removesuffix(" by hand")
    task = one_job(cloud, path, state)
    assert qft_jobs() == {1: name}
    cloud.set(forget=True)
    ways = TABLE["unknown" if state == "submitting" else state]  # its process is gone
    for action in {*jobs.ACTIONS} - ELSEWHERE - {*ways}:
        with pytest.raises(QftError, match=rf"Job 1 is \w+, so action={action} does not apply"):
            qft_jobs(f"action={action}", "job=1", there, *([f"task={task}"] if action == "attach" else []))
    assert qft_jobs() == {1: "unknown" if name == "submitting" else name} and cloud.seen()["requests"] == {}
    for action, way in ways.items():
        path.unlink()
        task = one_job(cloud, path, state)
        cloud.set(delay=3600 if action == "cancel" else 0, forget=True)
        found = qft_jobs(f"action={action}", "job=1", there, *([f"task={task}"] if action == "attach" else []))
        assert found[1] == way.state, action
        assert cloud.seen()["requests"].get("submit", 0) == way.sent, action
        assert len(found) == 1 + (way.sent and state != "planned"), action


def test_a_wrong_id_is_taken_away_and_the_right_one_attached(cloud, path, qft_jobs, there, monkeypatch) -> None:
    cloud.set(faults=[])
    right = one_job(cloud, path, "unknown")
    assert qft_jobs("action=attach", "job=1", "task=TYPO") == {1: "submitted"}
    qft_jobs("action=fetch", there)  # the service does not know it: nothing is decided
    assert qft_jobs("action=detach", "job=1") == {1: "unknown"}
    assert qft_jobs("action=attach", "job=1", f"task={right}") == {1: "submitted"}
    assert qft_jobs("action=wait", there) == {1: "done"}
    assert "submit" not in cloud.seen()["requests"] or cloud.seen()["requests"]["submit"] == 2  # by this test itself


def test_results_of_anothers_job_are_taken_back(cloud, path, qft_jobs, there) -> None:
    """An id of the right shape, but of other circuits, cannot be told from the right one by what comes back."""
    cloud.set(faults=[])
    right = one_job(cloud, path, "unknown")
    wrong = submitted(cloud, [TEXT.format(k + 500_000) for k in range(2)])
    qft_jobs("action=attach", "job=1", f"task={wrong}")
    assert qft_jobs("action=wait", there) == {1: "done"}
    assert qft_jobs("action=detach", "job=1") == {1: "unknown"}
    journal = Journal(path, write=False)
    assert journal.served()[1] == 0
    journal.close()
    qft_jobs("action=attach", "job=1", f"task={right}")
    assert qft_jobs("action=wait", there) == {1: "done"}


def test_an_id_of_another_job_of_the_journal_is_refused(cloud, path, qft_jobs) -> None:
    journal = Journal(path, "e")
    journal.plan(journal.request("r", [Program(TEXT.format(k), "c", 50, "{}") for k in range(2)], fresh=False), 1)
    journal.attach(1, "T1")
    journal.set_state(2, "unknown")
    journal.close()
    with pytest.raises(QftError, match="already the id of job 1"):
        qft_jobs("action=attach", "job=2", "task=T1")
    qft_jobs("action=detach", "job=1")
    assert qft_jobs("action=attach", "job=2", "task=T1") == {1: "unknown", 2: "submitted"}


def test_a_job_that_the_service_has_forgotten_stops_no_start_for_ever(cloud, path, qft_jobs, there) -> None:
    cloud.set(faults=[{"where": "detail", "what": "refuse"}])
    left(cloud, path, n=1, deadline=3600)
    cloud.set(faults=[])
    assert qft_jobs("action=detach", "job=1") == {1: "unknown"}
    assert qft_jobs("action=resubmit", "job=1", there) == {1: "failed", 2: "submitted"}
    assert qft_jobs("action=wait", there) == {1: "failed", 2: "done"}


# -- where the key goes


def test_the_address_in_a_journal_gets_no_key(cloud, path, qft_jobs, there, monkeypatch) -> None:
    cloud.set(delay=3600)
    left(cloud, path, n=1)
    cloud.set(forget=True)
    for action in ("wait", "fetch", "cancel"):
        with pytest.raises(QftError, match=rf"sent to {cloud.url}.*only where you say.*backend\.url=ADDRESS"):
            qft_jobs(f"action={action}")
    qft_jobs("action=detach", "job=1")
    with pytest.raises(QftError, match="only where you say"):
        qft_jobs("action=resubmit", "job=1")
    assert cloud.seen()["requests"] == {}


def test_an_address_in_own_configs_gets_no_key(cloud, tmp_path, monkeypatch, capsys) -> None:
    (tmp_path / "configs/backend").mkdir(parents=True)
    packaged = (service.PACKAGED / "backend/qcloud.yaml").read_text()
    (tmp_path / "configs/backend/qcloud.yaml").write_text(packaged.replace("url: null", f"url: {cloud.url}", 1))
    monkeypatch.chdir(tmp_path)
    Journal(tmp_path / "j.sqlite", "e").close()
    for command in (["jobs", "journal=j.sqlite"], ["eval", "backend=qcloud"], ["train", "backend=qcloud"]):
        assert qft_here(*command) == 2
        assert "./configs" in (said := capsys.readouterr().err) and "repeat backend.url=" in said
        assert len(said.strip().splitlines()) == 1
    assert qft_here("jobs", "journal=j.sqlite", f"backend.url={cloud.url}") == 0
    assert cloud.seen()["requests"] == {}


def test_a_backend_that_costs_money_is_chosen_on_the_command_line(cloud, tmp_path, monkeypatch, capsys) -> None:
    (tmp_path / "configs/backend").mkdir(parents=True)
    packaged = (service.PACKAGED / "eval.yaml").read_text()
    (tmp_path / "configs/eval.yaml").write_text(packaged.replace("backend: statevector", "backend: qcloud", 1))
    (tmp_path / "configs/backend/noisy.yaml").write_text(
        "name: qcloud\n" + (service.PACKAGED / "backend/qcloud.yaml").read_text()
    )
    monkeypatch.chdir(tmp_path)
    for command in (["eval", f"backend.url={cloud.url}"], ["train", "backend=noisy", f"backend.url={cloud.url}"]):
        assert qft_here(*command) == 2
        assert "backend=qcloud comes from a file of ./configs" in capsys.readouterr().err
    assert cloud.seen()["requests"] == {}


def forged(path, statement: str) -> None:
    """A journal with one planned job, changed by somebody who knows about the hashes."""
    bound = Program(TEXT.format(1), "origin_wukong", 50, canonical({"amend_flag": 0}))
    journal = Journal(path, "e")
    journal.plan(journal.request("r", [bound], fresh=False), 1)
    journal.close()
    db = sqlite3.connect(path, isolation_level=None)
    integrity.prepare(db)
    db.execute("BEGIN")
    db.execute(statement)
    for table in ("circuits", "jobs", "slots", "positions"):
        integrity.update_sum(db, table, "1", ())
    db.execute("COMMIT")
    db.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE circuits SET shots = 1000000000",
        "UPDATE circuits SET chip = 'expensive'",
        "UPDATE circuits SET text = 'QINIT 72'",
        "UPDATE circuits SET options = 'x'",
        "UPDATE jobs SET state = 'x' || char(27)",
        "UPDATE jobs SET changed = 'yesterday'",
        "UPDATE jobs SET note = x'00'",
    ],
)
def test_what_a_forged_journal_holds_is_not_sent(cloud, path, qft_jobs, there, statement) -> None:
    forged(path, statement)
    with pytest.raises(QftError, match="damaged"):
        qft_jobs("action=resubmit", "job=1", there)
    assert cloud.seen()["requests"].get("submit", 0) == 0


def test_circuits_and_options_that_the_client_does_not_take_are_not_sent(cloud, path, qft_jobs, there) -> None:
    for k, (text, options, words) in enumerate(
        [
            ("not OriginIR", "{}", "cannot read a circuit"),
            (TEXT.format(1), "[1]", "options"),
            ("", '{"a": 1}', "options"),
        ]
    ):
        journal = Journal(path, "e")
        journal.plan(journal.request(f"r{k}", [Program(text, "origin_wukong", 50, options)], fresh=False), 1)
        journal.close()
        with pytest.raises(QftError, match=words):
            qft_jobs("action=resubmit", f"job={k + 1}", there)
    assert set(qft_jobs().values()) == {"planned"} and "submit" not in cloud.seen()["requests"]


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["backend.name=statevector"], "sends no jobs"),
        (["action=lst"], "Did you mean 'list'"),
        (["action=forget"], "job=N"),
        (["action=detach"], "job=N"),
        (["task=T"], "action=attach"),
        (["action=attach", "job=1"], "task=ID"),
        (["action=attach", "task=T"], "job=N"),
        (["job=9", "action=cancel"], "no job 9"),
        (["journal=nowhere.sqlite"], r"no journal nowhere\.sqlite"),
        (["action=attach", "job=1", "task=a b"], "cannot be the id"),
        (["action=attach", "job=1", f"task=x{service.KEY}"], "holds the key"),
    ],
)
def test_bad_input(qft_jobs, path, overrides: list[str], words: str) -> None:
    journal = Journal(path, "e")
    journal.plan(journal.request("r", [Program("t", "c", 1, "{}")], fresh=False), 1)
    journal.close()
    with pytest.raises(QftError, match=words) as raised:
        qft_jobs(*overrides)
    assert service.KEY not in str(raised.value)
