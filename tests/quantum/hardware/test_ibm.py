"""backend=ibm through the real qiskit-ibm-runtime, against a service on this machine, and its rehearsals."""

import json
import logging
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import service
import torch
from program import qft_here

pytest.importorskip("qiskit_ibm_runtime", reason="needs the extra ibm")

from qft.errors import QftError
from qft.quantum import ansatz
from qft.quantum.backends.ibm import IBM
from qft.quantum.backends.statevector import Statevector
from qft.quantum.hardware import job_runner, poller
from qft.quantum.hardware.clients import ibm as client
from qft.quantum.hardware.clients.base import Program, canonical
from qft.quantum.hardware.journal import Journal

CIRCUIT = ansatz.qwthn(2)
WEIGHTS = torch.linspace(-2.0, 1.5, CIRCUIT.num_weights, dtype=torch.float64)
SHOTS = 4000


def rows(number: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(2, number, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def right(out: torch.Tensor, z: torch.Tensor, within: float = 5 / SHOTS**0.5) -> bool:
    return bool((out - Statevector().bind(CIRCUIT, WEIGHTS)(z)).abs().max() < within)


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Builds the backend with a journal of this test; what the service does not list at once it has not."""
    monkeypatch.setattr(client.IBM, "settles", 0.01)
    made: list[IBM] = []

    def build(**options: Any) -> IBM:
        for old in made:
            old.close()
        standard = {"chip": "ibm_test", "shots": SHOTS, "poll": 0.005, "poll_max": 0.01}
        made.append(IBM(**standard | {"journal": str(tmp_path / "j.sqlite")} | options))
        return made[-1]

    yield build
    for backend in made:
        backend.close()


@pytest.fixture
def states(tmp_path: Path):
    def read() -> dict[str, int]:
        with closing(Journal(tmp_path / "j.sqlite", write=False)) as journal:
            return journal.state_counts()

    return read


def short(*kinds: str) -> list[Any]:
    """The first of these in the short tests; each takes seconds of the client's own."""
    return [kinds[0], *(pytest.param(kind, marks=pytest.mark.extended) for kind in kinds[1:])]


def faulty(what: str, where: str, times: int | None = 1) -> list[dict[str, Any]]:
    return [{"where": where, "what": what} | ({} if times is None else {"times": times})]


# -- what is sent, and what comes back


def test_circuits_of_a_batch_are_one_job_with_our_token(make, ibm) -> None:
    z = rows(5)
    backend = make(batch_size=3)
    assert right(backend.bind(CIRCUIT, WEIGHTS)(z), z)
    jobs = ibm.seen()["jobs"]
    assert len(jobs) == 2 and ibm.seen()["requests"]["submit"] == 2
    tokens = [tag for job in jobs.values() for tag in job["tags"]]
    assert len(set(tokens)) == 2 and all(t.startswith("qft-") for t in tokens)
    make(batch_size=1).bind(CIRCUIT, WEIGHTS)(z)
    assert ibm.seen()["requests"]["submit"] == 2, "what was paid for is not sent again"


def test_circuits_of_several_shapes_come_back_in_their_order(make, ibm) -> None:
    z = rows(3)
    backend = make()
    strings = ["ZI", "XI", "IZ", "YY"]
    means = backend.expectations(CIRCUIT, WEIGHTS, z, strings)
    single = Statevector().bind(CIRCUIT, WEIGHTS)(z)
    assert (means[[0, 2]] - single).abs().max() < 5 / SHOTS**0.5
    assert ibm.seen()["requests"]["submit"] == 1
    again = make(journal=None, batch_size=1)
    again.begin(Path(backend.options.journal or "").parent / "other", "e", [])
    assert (again.expectations(CIRCUIT, WEIGHTS, z, strings) - means).abs().max() < 10 / SHOTS**0.5


def test_a_surrogate_is_one_circuit_with_parameters(make, ibm) -> None:
    z = rows(200)
    backend = make(mode="surrogate")
    assert right(backend.bind(CIRCUIT, WEIGHTS)(z), z, within=0.2)
    assert len(ibm.seen()["jobs"]) == 1 and len(backend.client._transpiled) == 1
    [fit] = backend.surrogates.fits
    assert fit["sigmas"] < 5


# -- lost answers


@pytest.mark.parametrize("what", short("lose_reply", "taken_500", "no_id"))
def test_a_job_whose_answer_was_lost_is_found(make, ibm, states, what: str) -> None:
    ibm.set(faults=faulty(what, "submit"), late=1)
    z = rows(2)
    assert right(make().bind(CIRCUIT, WEIGHTS)(z), z)
    assert ibm.seen()["requests"]["submit"] == 1 and len(ibm.seen()["jobs"]) == 1 and states() == {"done": 1}


@pytest.mark.parametrize("what", short("drop", "garbage", "500", "503", "408", "409"))
def test_a_job_that_is_not_listed_was_not_taken_and_is_sent_again(make, ibm, states, what: str) -> None:
    ibm.set(faults=faulty(what, "submit"))
    z = rows(2)
    assert right(make().bind(CIRCUIT, WEIGHTS)(z), z)
    assert ibm.seen()["requests"]["submit"] == 2 and len(ibm.seen()["jobs"]) == 1 and states() == {"done": 1}


@pytest.mark.parametrize("what", short("garbage", "500", "other_tag"))
def test_while_the_service_does_not_say_nothing_more_is_sent(make, ibm, states, what: str) -> None:
    ibm.set(faults=[*faulty("lose_reply", "submit"), *faulty(what, "jobs", None)])
    for _ in range(2):
        with pytest.raises(QftError, match=r"job 1 is unknown.*repeat the command"):
            make().bind(CIRCUIT, WEIGHTS)(rows(1))
    assert states() == {"unknown": 1} and ibm.seen()["requests"]["submit"] == 1
    ibm.set(faults=[])
    make().bind(CIRCUIT, WEIGHTS)(rows(1))
    assert ibm.seen()["requests"]["submit"] == 1 and states() == {"done": 1}


@pytest.mark.parametrize("status", short("400", "401", "403", "404", "413", "422"))
def test_a_refusal_is_one(make, ibm, states, status: str) -> None:
    ibm.set(faults=faulty(status, "submit"))
    with pytest.raises(QftError, match="IBM Quantum did not take job 1") as raised:
        make().bind(CIRCUIT, WEIGHTS)(rows(1))
    assert service.KEY not in str(raised.value) and "***" in str(raised.value)
    assert states() == {"planned": 1} and ibm.seen()["requests"]["submit"] == 1
    make().bind(CIRCUIT, WEIGHTS)(rows(1))
    assert len(ibm.seen()["jobs"]) == 1


def test_a_busy_service_is_asked_again(make, ibm, monkeypatch, states) -> None:
    monkeypatch.setattr(job_runner, "ATTEMPTS", 2)
    ibm.set(faults=faulty("429", "submit"))
    make().bind(CIRCUIT, WEIGHTS)(rows(1))
    assert ibm.seen()["requests"]["submit"] == 2 and "jobs" not in ibm.seen()["requests"]
    ibm.set(faults=faulty("429", "submit", 2), forget=True)
    with pytest.raises(QftError, match="2 times it did not take job"):
        make().bind(CIRCUIT, WEIGHTS)(rows(1, seed=1))
    assert states() == {"done": 1, "planned": 1}


# -- polls and results


@pytest.mark.parametrize("what", short("drop", "garbage", "500", "state", "other_id"))
def test_a_faulty_poll_decides_nothing(make, ibm, states, what: str, monkeypatch) -> None:
    monkeypatch.setattr(poller, "FAULTS", 2)
    ibm.set(faults=faulty(what, "job", None))
    with pytest.raises(QftError, match=r"2 answers about job 1 in a row were of no use.*stays open"):
        make().bind(CIRCUIT, WEIGHTS)(rows(1))
    assert states() == {"submitted": 1}
    ibm.set(faults=[])
    make().bind(CIRCUIT, WEIGHTS)(rows(1))
    assert ibm.seen()["requests"]["submit"] == 1


@pytest.mark.parametrize("what", short("few", "garbage", "500", "404"))
def test_faulty_results_are_asked_for_again(make, ibm, what: str) -> None:
    ibm.set(faults=faulty(what, "results", 2))
    z = rows(2)
    assert right(make().bind(CIRCUIT, WEIGHTS)(z), z)
    assert ibm.seen()["requests"]["submit"] == 1


@pytest.mark.parametrize(("what", "reason"), [("fail", "calibration was lost"), ("cancelled", "cancelled at the")])
def test_a_job_that_failed_says_why_and_is_sent_again(make, ibm, states, what: str, reason: str) -> None:
    ibm.set(faults=faulty(what, "job"))
    with pytest.raises(QftError, match=f"1 jobs failed at IBM Quantum.*{reason}"):
        make().bind(CIRCUIT, WEIGHTS)(rows(1))
    make().bind(CIRCUIT, WEIGHTS)(rows(1))
    assert states() == {"failed": 1, "done": 1}


def test_jobs_are_listed_cancelled_and_looked_up_by_the_same_command(make, ibm, states, tmp_path, capsys) -> None:
    ibm.set(polls=10**6)
    with pytest.raises(QftError, match="have not ended within"):
        make(deadline=0.05).bind(CIRCUIT, WEIGHTS)(rows(1))
    make()
    words = ("jobs", "backend=ibm", f"journal={tmp_path / 'j.sqlite'}", "format=json")
    assert qft_here(*words, "action=cancel") == 0
    assert json.loads(capsys.readouterr().out)["states"] == {"cancelled": 1}
    assert qft_here(*words, "action=devices") == 0
    [chip] = json.loads(capsys.readouterr().out)["devices"]
    assert (chip["name"], chip["online"], chip["qubits"], chip["waiting"]) == ("ibm_test", True, 5, 3)
    ibm.set(polls=0, faults=[*faulty("lose_reply", "submit"), *faulty("garbage", "jobs")])
    with pytest.raises(QftError, match="is unknown"):
        make().bind(CIRCUIT, WEIGHTS)(rows(1))
    make()
    assert qft_here(*words, "action=find") == 0
    assert json.loads(capsys.readouterr().out)["states"] == {"cancelled": 1, "submitted": 1}


# -- account, key and options


def test_the_key_is_nowhere(make, ibm, tmp_path, caplog, capsys, monkeypatch) -> None:
    """Neither in messages nor in files, though the service echoes it and what it was exchanged for."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(poller, "FAULTS", 2)
    errors = []
    for where, what in (("backends", "401"), ("submit", "400"), ("jobs", "500"), ("job", "500")):
        more = faulty("lose_reply", "submit") if where == "jobs" else []
        ibm.set(faults=[*faulty(what, where, None), *more])
        with pytest.raises(QftError) as raised:
            make().bind(CIRCUIT, WEIGHTS)(rows(1, seed=len(errors)))
        errors.append(str(raised.value))
    ibm.set(faults=faulty("fail", "job"))
    with pytest.raises(QftError):
        make().bind(CIRCUIT, WEIGHTS)(rows(1))
    ours = [r.getMessage() for r in caplog.records if r.name.startswith("qft")]
    texts = [*errors, *ours, *capsys.readouterr(), *(f.read_bytes().decode("latin-1") for f in tmp_path.rglob("*.*"))]
    for text in texts:
        assert service.KEY not in text and "eyJ" not in text, text[:300]


def test_without_an_account_a_sentence_says_how_to_have_one(monkeypatch, tmp_path) -> None:
    monkeypatch.delenv("QISKIT_IBM_TOKEN", raising=False)
    from qiskit_ibm_runtime.accounts import management

    monkeypatch.setattr(management, "_DEFAULT_ACCOUNT_CONFIG_JSON_FILE", str(tmp_path / "none.json"))
    with pytest.raises(QftError, match=r"finds no account in the environment or saved: export QISKIT_IBM_TOKEN"):
        IBM(chip="ibm_test")
    with pytest.raises(QftError, match=r"no account called mine"):
        IBM(chip="ibm_test", account="mine")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"chip": None}, "Name the chip.*fake_torino"),
        ({"chip": "ibm_tset"}, "Did you mean 'ibm_test'"),
        ({"options": {"optimisation_level": 1}}, "Did you mean 'optimization_level'"),
        ({"options": {"optimization_level": 4}}, "must be 0, 1, 2 or 3"),
        ({"options": {"seed_transpiler": -1}}, "seed_transpiler=-1"),
        ({"options": {"twirling": 1}}, "must be true or false"),
        ({"shots": 100_000}, r"backend\.batch_size=50\b"),
    ],
)
def test_options_that_make_no_sense(make, ibm, options: dict[str, Any], words: str) -> None:
    with pytest.raises(QftError, match=words):
        make(**options).bind(CIRCUIT, WEIGHTS)(rows(1))
    assert "submit" not in ibm.seen()["requests"]


@pytest.mark.parametrize(
    "line", ['include "/etc/passwd";', "u3(1.0,2.0) q[0];", "cz q[0],q[7];", "reset q[0];", "u3(pi,0.1,0.1) q[0];"]
)
def test_what_a_forged_journal_holds_is_not_sent(ibm, line: str) -> None:
    account = client.IBM()
    text = client.IBM.write(2, (), [0, 1], 6)
    place = text.index("measure")
    forged = Program(f"{text[:place]}{line}\n{text[place:]}", "ibm_test", 100, canonical({}))
    with pytest.raises(QftError, match="nothing was sent"):
        account.prepare([forged])


def test_ids_that_could_lead_elsewhere_are_none() -> None:
    for task in ("", "../backends", "a b", "x" * 65, "job?x=1"):
        with pytest.raises(QftError, match="cannot be the id"):
            client.IBM.check_task(task)


# -- rehearsals


def test_a_rehearsal_needs_no_account_and_shows_the_chips_noise(make, monkeypatch, states) -> None:
    monkeypatch.delenv("QISKIT_IBM_TOKEN", raising=False)
    z = rows(3)
    out = make(chip="fake_manila").bind(CIRCUIT, WEIGHTS)(z)
    exact = Statevector().bind(CIRCUIT, WEIGHTS)(z)
    # the chip's gates and readings err by some hundredths
    assert 0 < (out - exact).abs().max() < 0.25 and states() == {"done": 1}


def test_the_price_is_by_the_chips_time() -> None:
    price = client.IBM.price(circuits=100, jobs=2, shots=1000)
    assert price is not None and price.currency == "USD"
    assert price.seconds == pytest.approx(2 * 2.0 + 100 * 1000 * 250e-6) and price.money == pytest.approx(46.4)
