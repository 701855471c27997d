"""backend=qcloud through the real client against the emulator: what comes out, what is sent, what goes wrong."""

import json
import logging
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import service
import torch

from qft.errors import QftError
from qft.process.signals import listen, restore
from qft.quantum import ansatz, backends, observables, reference
from qft.quantum.backends.statevector import Statevector
from qft.quantum.hardware import job_progress, job_runner, poller
from qft.quantum.hardware.clients.qcloud import QCloud
from qft.quantum.hardware.journal import Journal

CIRCUIT = ansatz.qwthn(3)
WEIGHTS = torch.linspace(-2.5, 2.0, CIRCUIT.num_weights, dtype=torch.float64)
OLD = Path(__file__).parents[2] / "fixtures/v0.1.0"
EXACT = 1_000_000  # shots: the emulator then returns expected counts, right to 1e-6 each


@pytest.fixture
def make(cloud, tmp_path):
    """Backends on one journal, one after another as processes would be."""
    made = []

    def build(**options):
        while made:
            made.pop().close()
        standard = {"url": cloud.url, "journal": str(tmp_path / "j.sqlite"), "poll": 0.01, "poll_max": 0.05}
        made.append(backends.load("qcloud", **(standard | options)))
        return made[-1]

    yield build
    for one in made:
        one.close()


@pytest.fixture
def journal(tmp_path):
    """Reads the journal beside whoever writes."""
    opened = []

    def read():
        opened.append(Journal(tmp_path / "j.sqlite", write=False))
        return opened[-1]

    yield read
    for one in opened:
        one.close()


def rows(n: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(3, n, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def expected(z: torch.Tensor) -> torch.Tensor:
    return Statevector().bind(CIRCUIT, WEIGHTS)(z)


def faulty(what: str, where: str = "detail", **more) -> list[dict]:
    return [{"where": where, "what": what} | more]


# -- what comes out and what is sent


def test_commuting_observables_come_from_one_circuit_unless_counted_as_the_paper_does(make, cloud) -> None:
    cloud.set(exact=True)
    z = rows(4)
    out = make(shots=EXACT).bind(CIRCUIT, WEIGHTS)(z)
    torch.testing.assert_close(out, expected(z), rtol=0, atol=2e-5)
    assert len(cloud.seen()["circuits"]) == 4
    apart = make(shots=EXACT, grouping="per_observable").bind(CIRCUIT, WEIGHTS)(z)
    torch.testing.assert_close(apart, expected(z), rtol=0, atol=2e-5)
    assert len(cloud.seen()["circuits"]) == 4 + 4 * 3
    sent = list(cloud.seen()["jobs"].values())[-2:]
    assert {job["chip"] for job in sent} == {"72"}
    assert not any(job["configuration"]["circuitOptimization"] or job["configuration"]["amendFlag"] for job in sent)


def test_pauli_strings_are_read_in_groups(make, cloud) -> None:
    cloud.set(exact=True)
    strings = ["ZII", "XYZ", "IYZ", "YXI", "IIX"]
    z = rows(2)
    out = make(shots=EXACT).expectations(CIRCUIT, WEIGHTS, z, strings)
    assert len(cloud.seen()["circuits"]) == 2 * len(observables.grouped(strings)) == 2 * 3
    paulis = {"I": np.eye(2), "X": np.fliplr(np.eye(2)), "Y": np.array([[0, -1j], [1j, 0]]), "Z": np.diag([1, -1])}
    for column, value in zip(z.numpy().T, out.numpy().T, strict=True):
        psi = reference.state(CIRCUIT, column, WEIGHTS.numpy()).ravel()
        for string, mean in zip(strings, value, strict=True):
            matrix = np.kron(np.kron(paulis[string[0]], paulis[string[1]]), paulis[string[2]])
            assert mean == pytest.approx(np.real(psi.conj() @ matrix @ psi), abs=2e-5)


def test_equal_circuits_are_sent_once_and_a_second_start_sends_nothing(make, cloud, journal) -> None:
    z = rows(3)[:, [0, 1, 0, 2, 0]]
    first = make(batch_size=2).bind(CIRCUIT, WEIGHTS)(z)
    assert torch.equal(first[:, 0], first[:, 2]) and torch.equal(first[:, 0], first[:, 4])
    assert cloud.seen()["shapes"] == [2, 1] and set(cloud.seen()["circuits"].values()) == {1}
    # angles within half a millionth are the same angles
    again = make(batch_size=2).bind(CIRCUIT, WEIGHTS)(z + 1e-9)
    assert torch.equal(again, first) and cloud.seen()["requests"]["submit"] == 2
    assert journal().served() == (5 + 0, 3)


def test_fresh_shots_are_sent_for_each_row_and_are_kept_too(make, cloud) -> None:
    z = rows(1)[:, [0, 0, 0]]
    read = make(fresh_shots=True, shots=500).bind(CIRCUIT, WEIGHTS)
    first, second = read(z), read(z)
    assert len({tuple(c) for c in torch.cat((first, second), 1).T.tolist()}) > 2
    assert sum(cloud.seen()["circuits"].values()) == 6
    read = make(fresh_shots=True, shots=500).bind(CIRCUIT, WEIGHTS)
    assert torch.equal(read(z), first) and torch.equal(read(z), second)
    assert sum(cloud.seen()["circuits"].values()) == 6


def test_other_shots_and_options_are_other_circuits(make, cloud) -> None:
    z = rows(1)
    for number, options in enumerate(({}, {"shots": 7}, {"options": {"amend_flag": 1}}), 1):
        make(**options).bind(CIRCUIT, WEIGHTS)(z)
        assert cloud.seen()["requests"]["submit"] == number


def test_completion_in_another_order_changes_nothing(make, cloud) -> None:
    cloud.set(exact=True, delay=0.03, reorder=6)
    z = rows(6)
    torch.testing.assert_close(
        make(shots=EXACT, batch_size=1).bind(CIRCUIT, WEIGHTS)(z), expected(z), rtol=0, atol=2e-5
    )


def test_it_stops_before_it_overspends(make, cloud, journal) -> None:
    make(max_circuits=4).bind(CIRCUIT, WEIGHTS)(rows(3))
    with pytest.raises(QftError, match=r"2 circuits .* 3 were before.*max_circuits=4; nothing was sent"):
        make(max_circuits=4).bind(CIRCUIT, WEIGHTS)(rows(2, seed=1))
    assert cloud.seen()["requests"]["submit"] == 1 and journal().state_counts() == {"done": 1}
    make(max_circuits=5).bind(CIRCUIT, WEIGHTS)(rows(2, seed=1))
    assert sum(cloud.seen()["circuits"].values()) == 5


def test_no_gradient_is_given_silently(make) -> None:
    with pytest.raises(QftError, match="no gradient"):
        make().bind(CIRCUIT, WEIGHTS.clone().requires_grad_())(rows(1))


# -- the surrogate


def test_a_surrogate_answers_any_number_of_rows_from_one_grid(make, cloud, caplog) -> None:
    z = rows(500)
    backend = make(mode="surrogate", shots=4000)
    with caplog.at_level(logging.WARNING):
        out = backend.bind(CIRCUIT, WEIGHTS)(z)
    errors = backend.surrogates[CIRCUIT, WEIGHTS].errors(z)
    assert ((out - expected(z)).abs() < 5 * errors).all() and errors.max() < 0.03
    assert sum(cloud.seen()["circuits"].values()) == 27 + 16
    fit = backend.report()["surrogates"][0]
    assert fit["residual"] < 5 * fit["standard_error"] and not caplog.records
    again = make(mode="surrogate", shots=4000, max_circuits=0).bind(CIRCUIT, WEIGHTS)(z)
    assert torch.equal(again, out) and sum(cloud.seen()["circuits"].values()) == 43


def test_all_modules_are_measured_in_one_go(make, cloud, tmp_path) -> None:
    other = ansatz.qwthn(2)
    circuits = [(CIRCUIT, WEIGHTS), (other, WEIGHTS[:4]), (CIRCUIT, -WEIGHTS)]
    backend = make(mode="surrogate", journal=None, batch_size=1000, shots=2000)
    backend.begin(tmp_path, "experiment", circuits)
    assert cloud.seen()["shapes"] == [2 * (27 + 16) + 9 + 16] and (tmp_path / "qcloud.sqlite").exists()
    for circuit, weights in circuits:
        z = rows(20)[: circuit.qubits]
        exact = Statevector().bind(circuit, weights)(z)
        assert (backend.bind(circuit, weights)(z) - exact).abs().max() < 0.2
    assert cloud.seen()["requests"]["submit"] == 1


def test_a_surrogate_that_does_not_fit_is_warned_of(make, monkeypatch, caplog) -> None:
    """The chip that is measured at the held-out settings is not the one the grid was measured on."""
    backend = make(mode="surrogate", shots=4000)
    means = backend.sampler.means

    def drifting(*args):
        out = means(*args)
        out[0][:, -8:] *= 0.7
        return out

    monkeypatch.setattr(backend.sampler, "means", drifting)
    with caplog.at_level(logging.WARNING):
        backend.bind(CIRCUIT, WEIGHTS)(rows(1))
    assert "sigmas more than" in caplog.text


def test_a_grid_that_is_too_large_says_its_size(make, cloud) -> None:
    circuit = ansatz.qtha(4, 4)
    with pytest.raises(QftError, match=r"6,577 circuits.*max_circuits=5,000; nothing was sent"):
        make(mode="surrogate", max_circuits=5000).bind(circuit, torch.randn(64))(torch.randn(4, 1))
    assert "submit" not in cloud.seen()["requests"]


# -- what goes wrong


def test_nearly_a_third_of_faulty_polls_changes_nothing(make, cloud) -> None:
    kinds = ["refuse", "garbage", "state", "short", "broken", "few"]
    each = 1 - 0.7 ** (1 / len(kinds))  # together they strike 30 % of the queries
    cloud.set(exact=True, polls=2, seed=3, faults=[f for kind in kinds for f in faulty(kind, rate=each)])
    z = rows(20)
    out = make(shots=EXACT, batch_size=1).bind(CIRCUIT, WEIGHTS)(z)
    torch.testing.assert_close(out, expected(z), rtol=0, atol=2e-5)
    requests = cloud.seen()["requests"]
    assert requests["submit"] == 20 and requests["list"] == 1
    assert 20 * 3 < requests["detail"] <= 20 * 3 * 2


def test_a_dropped_connection_and_an_error_500_are_no_answer(make, cloud) -> None:
    cloud.set(exact=True, faults=[*faulty("drop", times=1), *faulty("500", times=1), *faulty("401", times=1)])
    z = rows(1)
    torch.testing.assert_close(make(shots=EXACT).bind(CIRCUIT, WEIGHTS)(z), expected(z), rtol=0, atol=2e-5)
    assert cloud.seen()["requests"]["submit"] == 1


@pytest.mark.parametrize("what", ["refuse", "state"])
def test_an_answer_the_client_calls_failed_is_looked_at(make, cloud, journal, what, monkeypatch) -> None:
    monkeypatch.setattr(poller, "FAULTS", 3)
    cloud.set(faults=faulty(what))
    read = make().bind(CIRCUIT, WEIGHTS)
    with pytest.raises(QftError, match=r"3 answers about job \d.* stays open") as raised:
        read(rows(1))
    assert service.KEY not in str(raised.value)
    assert [j.state for j in journal().jobs()] == ["submitted"]
    cloud.set(faults=[])
    make().bind(CIRCUIT, WEIGHTS)(rows(1))
    assert cloud.seen()["requests"]["submit"] == 1


def test_a_job_that_failed_is_said_to_have_and_only_it_is_sent_again(make, cloud, journal) -> None:
    cloud.set(faults=faulty("fail", times=1))
    with pytest.raises(QftError, match=r"1 jobs failed .*calibration was lost"):
        make(batch_size=2).bind(CIRCUIT, WEIGHTS)(rows(6))
    assert sorted(j.state for j in journal().jobs()) == ["done", "done", "failed"]
    make(batch_size=2).bind(CIRCUIT, WEIGHTS)(rows(6))
    assert cloud.seen()["requests"]["submit"] == 4 and sum(cloud.seen()["circuits"].values()) == 8


def test_a_lost_answer_is_unknown_and_the_user_decides(make, cloud, journal) -> None:
    for number, what in enumerate(("lose_reply", "garbage", "500"), 1):
        z = rows(1, seed=number)
        cloud.set(faults=faulty(what, "submit", times=1))
        with pytest.raises(QftError, match=r"unknown .*you decide.*action=attach"):
            make().bind(CIRCUIT, WEIGHTS)(z)
        assert cloud.seen()["requests"]["submit"] == number
        with pytest.raises(QftError, match=r"unknown .*you decide"):
            make().bind(CIRCUIT, WEIGHTS)(z)
        assert cloud.seen()["requests"]["submit"] == number, "never sent again by itself"
    assert journal().state_counts() == {"unknown": 3}


def test_a_submission_that_was_surely_not_taken_is_sent_by_the_next_start(make, cloud, journal) -> None:
    cloud.set(faults=faulty("401", "submit", times=1))
    with pytest.raises(QftError, match="did not take job 1") as raised:
        make().bind(CIRCUIT, WEIGHTS)(rows(1))
    assert service.KEY not in str(raised.value) and "***" in str(raised.value)
    assert journal().state_counts() == {"planned": 1}
    make().bind(CIRCUIT, WEIGHTS)(rows(1))
    assert set(cloud.seen()["circuits"].values()) == {1} and journal().state_counts() == {"done": 1}


def test_a_busy_service_is_asked_again_until_it_takes_the_job(make, cloud, journal, monkeypatch) -> None:
    cloud.set(faults=faulty("429", "submit", times=3))
    make().bind(CIRCUIT, WEIGHTS)(rows(1))
    assert cloud.seen()["requests"]["submit"] == 4 and set(cloud.seen()["circuits"].values()) == {1}
    monkeypatch.setattr(job_runner, "ATTEMPTS", 2)
    cloud.set(faults=faulty("429", "submit"), forget=True)
    with pytest.raises(QftError, match=r"busy: 2 times .*too many requests.*It was not sent"):
        make().bind(CIRCUIT, WEIGHTS)(rows(1, seed=1))
    assert cloud.seen()["requests"]["submit"] == 2 and journal().state_counts() == {"done": 1, "planned": 1}
    cloud.set(faults=[])
    make().bind(CIRCUIT, WEIGHTS)(rows(1, seed=1))
    assert set(cloud.seen()["circuits"].values()) == {1}


def test_an_answer_about_another_job_is_not_taken_for_this_one(make, cloud, journal, monkeypatch) -> None:
    monkeypatch.setattr(poller, "FAULTS", 2)
    cloud.set(faults=faulty("other_id"))
    with pytest.raises(QftError, match=r"about another job, TASK\d+-99999.*stays open.*action=detach job=1"):
        make().bind(CIRCUIT, WEIGHTS)(rows(1))
    assert journal().state_counts() == {"submitted": 1} and journal().served() == (1, 0)
    cloud.set(faults=[])
    make().bind(CIRCUIT, WEIGHTS)(rows(1))
    assert cloud.seen()["requests"]["submit"] == 1


def test_an_id_that_another_job_has_is_a_lost_answer(make, cloud, journal) -> None:
    make().bind(CIRCUIT, WEIGHTS)(rows(1))
    cloud.set(faults=faulty("other_id", "submit"))
    with pytest.raises(QftError, match=r"names the id of job 1.*you decide"):
        make().bind(CIRCUIT, WEIGHTS)(rows(1, seed=1))
    assert journal().state_counts() == {"done": 1, "unknown": 1}


def test_a_journal_of_0_1_0_goes_on_where_it_was(make, cloud, tmp_path, journal) -> None:
    """What it paid for is used, and its open jobs, here sent to another address, are not sent again."""
    shutil.copy(OLD / "open.sqlite", tmp_path / "j.sqlite")
    opened = Journal(tmp_path / "j.sqlite")
    experiment = opened.experiment
    opened.close()
    backend = make(shots=100, batch_size=2)
    backend.begin(tmp_path, experiment, [])
    z = torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert backend.bind(CIRCUIT, WEIGHTS)(z)[:, 0].tolist() == pytest.approx([-0.04, 0.2, -0.68])
    for seed, words in ((3, "was sent to http://127"), (4, "you decide"), (6, "you decide")):
        with pytest.raises(QftError, match=words):
            backend.bind(CIRCUIT, WEIGHTS)(rows(2, seed))
    assert "submit" not in cloud.seen()["requests"]


def test_the_deadline_is_ours_and_loses_nothing(make, cloud, journal) -> None:
    cloud.set(faults=faulty("stuck"))
    with pytest.raises(QftError, match=r"backend\.deadline=0\.2 s.*nothing is lost"):
        make(deadline=0.2).bind(CIRCUIT, WEIGHTS)(rows(1))
    assert cloud.seen()["requests"]["detail"] < 20 and journal().state_counts() == {"submitted": 1}
    cloud.set(faults=[])
    make().bind(CIRCUIT, WEIGHTS)(rows(1))
    assert cloud.seen()["requests"]["submit"] == 1


def test_ctrl_c_cancels_what_is_open_and_a_second_start_reuses_what_was_paid(make, cloud, journal, monkeypatch) -> None:
    make().bind(CIRCUIT, WEIGHTS)(rows(6)[:, :2])
    cloud.set(delay=30)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(QCloud, "poll", lambda *args: os.kill(os.getpid(), signal.SIGINT))  # all are out by then
        make(batch_size=2).bind(CIRCUIT, WEIGHTS)(rows(6))
    assert cloud.seen()["requests"]["cancel"] == 2
    assert journal().state_counts() == {"done": 1, "cancelled": 2}
    cloud.set(delay=0)
    make(batch_size=2).bind(CIRCUIT, WEIGHTS)(rows(6))
    assert sum(cloud.seen()["circuits"].values()) == 2 + 4 + 4 and journal().state_counts()["done"] == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_being_told_to_stop_leaves_open_what_a_later_start_fetches(make, cloud, journal, monkeypatch, number) -> None:
    """In the middle of a submission, whose id is kept; a queue or a closed terminal does not mean to cancel."""
    submit, before = QCloud.submit, listen()

    def told(*args):
        os.kill(os.getpid(), number)
        return submit(*args)

    try:
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(QCloud, "submit", told)
            make(batch_size=1).bind(CIRCUIT, WEIGHTS)(rows(2))
    finally:
        restore(before)
    assert "cancel" not in cloud.seen()["requests"]
    assert [(j.state, bool(j.task)) for j in journal().jobs()] == [("submitted", True), ("planned", False)]
    make().bind(CIRCUIT, WEIGHTS)(rows(2))
    assert set(cloud.seen()["circuits"].values()) == {1}


def test_ctrl_c_during_a_submission_waits_for_its_id(make, cloud, journal, monkeypatch) -> None:
    submit = QCloud.submit

    def interrupted(*args):
        os.kill(os.getpid(), signal.SIGINT)
        return submit(*args)

    monkeypatch.setattr(QCloud, "submit", interrupted)
    cloud.set(faults=faulty("refuse", "cancel"))  # so that it stays open
    with pytest.raises(KeyboardInterrupt):
        make(batch_size=1).bind(CIRCUIT, WEIGHTS)(rows(2))
    assert [(j.state, bool(j.task)) for j in journal().jobs()] == [("submitted", True), ("planned", False)]
    monkeypatch.undo()
    monkeypatch.setenv("QFT_QCLOUD_KEY", service.KEY)
    make().bind(CIRCUIT, WEIGHTS)(rows(2))
    assert set(cloud.seen()["circuits"].values()) == {1}


def test_a_disk_that_fills_up_while_results_come_loses_none(make, cloud, journal, connections) -> None:
    backend = make(batch_size=200)
    opened = backend.job_runner.journal
    store, db = opened.store, connections[-1]

    def full(*args):
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        db.execute(f"PRAGMA max_page_count={pages}")
        store(*args)

    opened.store = full
    with pytest.raises(QftError, match="full"):
        backend.bind(CIRCUIT, WEIGHTS)(rows(200))
    assert journal().state_counts() == {"submitted": 1} and journal().served() == (200, 0)
    out = make(batch_size=200).bind(CIRCUIT, WEIGHTS)(rows(200))
    assert out.shape == (3, 200) and cloud.seen()["requests"]["submit"] == 1


def test_an_id_that_cannot_be_written_down_is_told(make, cloud, journal, monkeypatch, connections) -> None:
    attach = Journal.attach

    def full(self, job, task):
        connections[-1].execute("PRAGMA query_only=ON")
        attach(self, job, task)

    monkeypatch.setattr(Journal, "attach", full)
    with pytest.raises(QftError, match=r"taken under the id TASK\S+; note it.*action=attach job=1 task=TASK"):
        make().bind(CIRCUIT, WEIGHTS)(rows(1))
    monkeypatch.undo()
    monkeypatch.setenv("QFT_QCLOUD_KEY", service.KEY)
    with pytest.raises(QftError, match="you decide"):
        make().bind(CIRCUIT, WEIGHTS)(rows(1))
    assert cloud.seen()["requests"]["submit"] == 1


def test_progress_is_a_line_now_and_then_where_there_is_no_terminal(make, cloud, monkeypatch, caplog) -> None:
    monkeypatch.setattr(job_progress, "EVERY", 0.0)
    cloud.set(polls=2)
    with caplog.at_level(logging.INFO):
        make(batch_size=1).bind(CIRCUIT, WEIGHTS)(rows(2))
    assert "0 of 2 circuits; jobs: 2 queuing" in caplog.text and " computing" in caplog.text


# -- bad input


@pytest.mark.parametrize("key", [None, "", "  "])
def test_no_key(make, monkeypatch, key) -> None:
    monkeypatch.delenv("QFT_QCLOUD_KEY") if key is None else monkeypatch.setenv("QFT_QCLOUD_KEY", key)
    with pytest.raises(QftError, match="export QFT_QCLOUD_KEY"):
        make()


def test_a_key_that_is_refused_stops_everything_before_it_starts(make, cloud, journal, monkeypatch) -> None:
    monkeypatch.setenv("QFT_QCLOUD_KEY", "wrong-key-42")
    with pytest.raises(QftError, match=r"key in QFT_QCLOUD_KEY\. Nothing was sent") as raised:
        make().bind(CIRCUIT, WEIGHTS)(rows(1))
    assert "wrong-key-42" not in str(raised.value)
    assert "submit" not in cloud.seen()["requests"] and journal().state_counts() == {"planned": 1}


def test_an_unknown_chip(make, cloud) -> None:
    with pytest.raises(QftError, match=r"backend\.chip=origin_wukon does not exist.*Did you mean 'origin_wukong'"):
        make(chip="origin_wukon").bind(CIRCUIT, WEIGHTS)(rows(1))
    assert "submit" not in cloud.seen()["requests"]
    make(chip="72").bind(CIRCUIT, WEIGHTS)(rows(1))


def test_a_chip_that_is_offline(make, cloud) -> None:
    cloud.set(online=False)
    with pytest.raises(QftError, match="offline"):
        make().bind(CIRCUIT, WEIGHTS)(rows(1))
    assert "submit" not in cloud.seen()["requests"]


def test_a_service_that_is_not_there(make) -> None:
    with pytest.raises(QftError, match=r"check the network, backend\.url"):
        make(url="http://127.0.0.1:9").bind(CIRCUIT, WEIGHTS)(rows(1))


def test_more_qubits_than_the_chip(make) -> None:
    backend = make(max_qubits=2)
    assert backend.refusal(CIRCUIT) == "3 qubits, and backend.chip=origin_wukong has 2"
    assert backend.refusal(ansatz.qwthn(2)) is None
    with pytest.raises(ValueError, match=r"3 qubits, .* 2"):
        backend.bind(CIRCUIT, WEIGHTS)


@pytest.mark.parametrize(
    "option",
    [
        {"shots": 0},
        {"shots": -5},
        {"batch_size": 0},
        {"max_circuits": -1},
        {"deadline": 0},
        {"deadline": float("nan")},
        {"poll": float("nan")},
        {"poll_max": float("inf")},
        {"shots": 10**30},
        {"seed": -1},
        {"options": {"amend_flag": "x"}},
        {"options": {"specified_block": [1, "a"]}},
        {"options": {"no_such_option": 1}},
        {"mode": "surogate"},
        {"grouping": "x"},
        {"mode": "surrogate", "options": {"optimization": True}},
    ],
)
def test_options_that_make_no_sense(make, option) -> None:
    with pytest.raises(QftError, match=next(iter(option))):
        make(**option)


def test_a_job_of_another_address_is_not_asked_for_here(make, cloud, journal) -> None:
    cloud.set(faults=faulty("stuck"))
    with pytest.raises(QftError, match="deadline"):
        make(deadline=0.05).bind(CIRCUIT, WEIGHTS)(rows(1))
    with pytest.raises(QftError, match="was sent to http://127"):
        elsewhere = make(url=cloud.url.replace("127.0.0.1", "localhost"))
        elsewhere.bind(CIRCUIT, WEIGHTS)(rows(1))
    assert elsewhere.job_runner.poller.cancel(elsewhere.job_runner.journal.jobs()) == 0
    assert [j.state for j in journal().jobs()] == ["submitted"]


def test_a_job_belongs_to_the_address_that_took_it_not_to_one_that_was_tried_before(
    make, cloud, journal, monkeypatch
) -> None:
    port = cloud.url.rpartition(":")[2]
    backend = make(url="http://127.0.0.1:9")
    monkeypatch.setattr(QCloud, "check_chip", lambda *args: None)  # gone between the list of chips and the submission
    with pytest.raises(QftError, match="did not take job 1"):
        backend.bind(CIRCUIT, WEIGHTS)(rows(1))
    assert [(j.state, j.url) for j in journal().jobs()] == [("planned", "http://127.0.0.1:9")]
    make(url=f"http://localhost:{port}").bind(CIRCUIT, WEIGHTS)(rows(1))
    assert [(j.state, j.url) for j in journal().jobs()] == [("done", f"http://localhost:{port}")]


def test_an_answer_without_an_id_is_a_lost_answer(make, cloud, journal) -> None:
    cloud.set(faults=faulty("no_id", "submit"))
    with pytest.raises(QftError, match="you decide"):
        make().bind(CIRCUIT, WEIGHTS)(rows(1))
    assert [j.state for j in journal().jobs()] == ["unknown"]


def test_the_key_is_nowhere(make, cloud, tmp_path, caplog, monkeypatch) -> None:
    """Every fault echoes the key back; neither journal nor log nor errors hold it."""
    monkeypatch.setattr(poller, "FAULTS", 2)
    texts = []
    with caplog.at_level(logging.DEBUG):
        for number, (where, what) in enumerate(
            [("list", "refuse"), ("submit", "401"), ("submit", "500"), ("submit", "refuse"), ("detail", "refuse")]
        ):
            cloud.set(faults=faulty(what, where))
            with pytest.raises(QftError) as raised:
                make().bind(CIRCUIT, WEIGHTS)(rows(1, seed=number))
            assert raised.value.__cause__ is None, "a traceback would show the cause"
            texts.append(str(raised.value))
    assert any("***" in text for text in texts)
    assert service.KEY not in caplog.text + "".join(texts)
    files = [p for p in Path(tmp_path).rglob("*") if p.is_file()]
    assert files and all(service.KEY.encode() not in p.read_bytes() for p in files)


def test_the_emulator_ends_with_whoever_started_it() -> None:
    with service.start() as one:
        assert json.dumps(one.seen())
    with pytest.raises(OSError):
        one.seen()
