"""A second vendor is one client: the job runner, the journal and the surrogate work with this one, in memory."""

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
import yaml
from plain import u3
from program import qft_here

from qft.compose import configs
from qft.errors import QftError
from qft.quantum import ansatz
from qft.quantum.backends.statevector import Statevector
from qft.quantum.hardware import job_runner
from qft.quantum.hardware.backend import HardwareBackend, HardwareOptions
from qft.quantum.hardware.chip import CZ, BoundOp
from qft.quantum.hardware.clients.base import (
    Batch,
    Busy,
    Client,
    Counts,
    Device,
    Faulty,
    JobStatus,
    Lost,
    Program,
    Refused,
)
from qft.quantum.hardware.journal import Journal
from qft.quantum.hardware.poller import Waiting

CIRCUIT = ansatz.qwthn(2)
WEIGHTS = torch.linspace(-2.0, 1.5, CIRCUIT.num_weights, dtype=torch.float64)
SHOTS = 1_000_000  # counts are the expected ones: right to 1e-6 each


@dataclass
class Vendor(Client):
    """A service in memory with a language of its own; each call raises or returns the next of its ``faults``.

    A fault ("taken", error) of submit is raised after the job was taken.
    """

    service: ClassVar[str] = "the vendor"
    url: str | None = "https://vendor.example"
    faults: dict[str, list[Any]] = field(default_factory=dict)
    jobs: list[list[str]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)

    @classmethod
    def connect(cls, options: Mapping[str, Any]) -> "Vendor":
        return cls(options["url"])

    @staticmethod
    def write(qubits: int, ops: Sequence[BoundOp], measured: Sequence[int], decimals: int) -> str:
        lines: list[Any] = [[*op.qubits] if isinstance(op, CZ) else [op.qubit, op.theta, op.phi, op.lam] for op in ops]
        return json.dumps([qubits, list(measured), lines])

    @staticmethod
    def check_task(task: str) -> None:
        if not task.isdigit():
            raise QftError("not an id")

    def devices(self) -> list[Device]:
        return [Device("seven", online=True, qubits=7, waiting=2), Device("nine", online=False)]

    def prepare(self, programs: Sequence[Program]) -> Batch:
        return Batch(programs[0].chip, programs[0].shots, [p.text for p in programs], None)

    def submit(self, batch: Batch, token: str) -> str:
        taken = self._fault("submit")
        self.jobs.append(batch.programs)
        self.tokens.append(token)
        if taken:
            raise taken[1]
        return str(len(self.jobs))

    def poll(self, task: str) -> JobStatus:
        return self._fault("poll") or JobStatus("finished")

    def fetch(self, task: str, programs: Sequence[Program]) -> list[Counts]:
        self._fault("fetch")
        assert self.jobs[int(task) - 1] == [p.text for p in programs]
        return [expected_counts(p.text, p.shots) for p in programs]

    def cancel(self, task: str) -> bool:
        return False

    def _fault(self, where: str) -> Any:
        if not self.faults.get(where):
            return None
        fault = self.faults[where].pop(0)
        if isinstance(fault, Exception):
            raise fault
        return fault


class Finding(Vendor):
    """The same, which looks jobs up by our token; ``blind`` look-ups list nothing."""

    finds: ClassVar[bool] = True
    settles: ClassVar[float] = 0.01
    blind = 0

    def find(self, token: str) -> list[str]:
        self._fault("find")
        if self.blind:
            self.blind -= 1
            return []
        return [str(k) for k, one in enumerate(self.tokens, 1) if one == token]


def expected_counts(text: str, shots: int) -> Counts:
    qubits, measured, lines = json.loads(text)
    psi = np.zeros((2,) * qubits, dtype=complex)
    psi[(0,) * qubits] = 1
    for on, *rest in lines:
        if len(rest) == 1:
            index = [slice(None)] * qubits
            index[on] = index[rest[0]] = 1
            psi[tuple(index)] *= -1
        else:
            psi = np.moveaxis(np.tensordot(u3(*rest), psi, (1, on)), 0, on)
    assert measured == list(range(qubits))
    p = (np.abs(psi) ** 2).transpose(range(qubits)[::-1]).ravel()  # classical bit 0 is the rightmost
    counts = {f"{k:0{qubits}b}": round(shots * value) for k, value in enumerate(p)}
    counts["0" * qubits] += shots - sum(counts.values())
    return counts


@pytest.fixture
def vendor(request: pytest.FixtureRequest) -> Vendor:
    return getattr(request, "param", Vendor)()


looking_up = pytest.mark.parametrize("vendor", [Finding], indirect=True)


@pytest.fixture
def make(vendor: Vendor, tmp_path: Path):
    made = []

    def build(mode: str = "direct", **options: Any) -> HardwareBackend:
        standard = {"chip": "seven", "max_qubits": 7, "shots": SHOTS, "options": {}, "mode": mode}
        standard |= {"grouping": "grouped", "fresh_shots": False, "batch_size": 2, "max_circuits": 100}
        standard |= {"journal": str(tmp_path / "j.sqlite"), "moved": False, "seed": 0}
        backend = HardwareBackend(vendor, HardwareOptions(waiting=Waiting(5, 0.001, 0.002), **(standard | options)))
        backend.name = "vendor"
        made.append(backend)
        return backend

    yield build
    for backend in made:
        backend.close()


def read(backend: HardwareBackend, rows: int = 3) -> torch.Tensor:
    z = torch.linspace(-3, 2, 2 * rows, dtype=torch.float64).reshape(2, rows)
    out = backend.bind(CIRCUIT, WEIGHTS)(z)
    torch.testing.assert_close(out, Statevector().bind(CIRCUIT, WEIGHTS)(z), rtol=0, atol=2e-5)
    return out


@pytest.mark.parametrize("mode", ["direct", "surrogate"])
def test_expectations_are_those_of_the_circuit(make, vendor: Vendor, mode: str) -> None:
    read(make(mode))
    assert len(vendor.jobs) == (2 if mode == "direct" else 13)  # 3 rows, or 9 settings and 16 to check at


def test_what_was_paid_for_is_not_sent_again(make, vendor: Vendor) -> None:
    first = make()
    values = read(first)
    first.close()
    assert torch.equal(read(make()), values) and len(vendor.jobs) == 2


def test_busy_and_faulty_answers_are_waited_out(make, vendor: Vendor) -> None:
    vendor.faults = {
        "submit": [Busy("later"), Busy("later")],
        "poll": [Faulty("garbled"), JobStatus("queuing"), JobStatus("computing")],
        "fetch": [Faulty("one too few")],
    }
    read(make())
    assert len(vendor.jobs) == 2 and not any(vendor.faults.values())


def test_a_refused_job_is_sent_by_the_next_start(make, vendor: Vendor) -> None:
    vendor.faults = {"submit": [Refused("no credit")]}
    backend = make()
    with pytest.raises(QftError, match="did not take job 1: no credit"):
        read(backend)
    assert not vendor.jobs
    read(backend)
    assert len(vendor.jobs) == 2


def test_a_lost_answer_is_never_sent_again(make, vendor: Vendor, tmp_path: Path) -> None:
    vendor.faults = {"submit": [Lost("no answer")]}
    backend = make()
    for _ in range(2):
        with pytest.raises(QftError, match=r"unknown .no answer.*you decide"):
            read(backend)
    backend.close()
    journal = Journal(tmp_path / "j.sqlite", write=False)
    assert journal.state_counts() == {"unknown": 1, "planned": 1} and not vendor.jobs
    journal.close()


@looking_up
def test_a_lost_answer_of_a_job_that_was_taken_is_found_by_its_token(make, vendor: Finding) -> None:
    vendor.faults, vendor.blind = {"submit": [("taken", Lost("no answer"))]}, 1  # listed a moment later
    read(make())
    assert len(vendor.jobs) == 2 and len(set(vendor.tokens)) == 2


@looking_up
def test_a_job_that_the_service_does_not_list_is_sent_again(make, vendor: Finding, tmp_path: Path) -> None:
    vendor.faults = {"submit": [Lost("no answer"), Lost("no answer")]}
    read(make())
    assert len(vendor.jobs) == 2 and len(set(vendor.tokens)) == 2


@looking_up
def test_a_job_that_is_lost_again_and_again_stays_planned(make, vendor: Finding, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(job_runner, "ATTEMPTS", 2)
    vendor.faults = {"submit": [Lost("no answer")] * 2}
    backend = make()
    with pytest.raises(QftError, match="2 times it did not take job 1"):
        read(backend)
    backend.close()
    with closing(Journal(tmp_path / "j.sqlite", write=False)) as journal:
        assert journal.state_counts() == {"planned": 2} and not vendor.jobs
    read(make())
    assert len(vendor.jobs) == 2


@looking_up
def test_while_the_service_does_not_say_nothing_is_sent(make, vendor: Finding, tmp_path: Path) -> None:
    vendor.faults = {"submit": [("taken", Lost("no answer"))], "find": [Faulty("asleep"), Faulty("asleep")]}
    backend = make()
    for _ in range(2):
        with pytest.raises(QftError, match=r"job 1 is unknown.*asleep.*repeat the command"):
            read(backend)
    assert len(vendor.jobs) == 1
    read(backend)
    assert len(vendor.jobs) == 2


@looking_up
def test_several_jobs_with_our_token_are_the_users_to_decide(make, vendor: Finding) -> None:
    vendor.faults = {"submit": [("taken", Lost("no answer"))]}
    vendor.find = lambda token: ["1", "7"]  # type: ignore[method-assign]
    with pytest.raises(QftError, match=r"lists 2 jobs with our token: 1, 7, so you decide"):
        read(make())


@looking_up
def test_jobs_look_a_lost_one_up(make, vendor: Finding, installed, tmp_path, capsys) -> None:
    vendor.faults = {"submit": [("taken", Lost("no answer"))], "find": [Faulty("asleep")]}
    backend = make()
    with pytest.raises(QftError, match="asleep"):
        read(backend)
    backend.close()
    words = ("jobs", "backend=vendor", f"journal={tmp_path / 'j.sqlite'}", f"backend.url={vendor.url}", "format=json")
    vendor.blind, states = 1, []
    for _ in range(2):
        assert qft_here(*words, "action=find") == 0
        states.append([job["state"] for job in json.loads(capsys.readouterr().out)["jobs"]])
    assert states == [["unknown", "planned"], ["submitted", "planned"]]


def test_a_vendor_that_looks_nothing_up_says_so(make, vendor: Vendor, installed, tmp_path, capsys) -> None:
    vendor.faults = {"submit": [Lost("no answer")]}
    backend = make()
    with pytest.raises(QftError, match="its client lists no jobs"):
        read(backend)
    backend.close()
    words = ("jobs", "backend=vendor", f"journal={tmp_path / 'j.sqlite'}", f"backend.url={vendor.url}", "action=find")
    assert qft_here(*words) == 2 and "cannot look a job up" in capsys.readouterr().err


def test_its_chips_are_listed(installed, capsys) -> None:
    words = ("backend=vendor", "backend.url=https://vendor.example", "action=devices", "format=json")
    assert qft_here("jobs", *words) == 0
    chips = json.loads(capsys.readouterr().out)["devices"]
    assert [(c["name"], c["online"], c["qubits"]) for c in chips] == [("seven", True, 7), ("nine", False, None)]


@pytest.mark.parametrize(("chip", "words"), [("sevn", "Did you mean 'seven'"), ("nine", "is offline")])
def test_a_chip_is_checked_before_anything_is_sent(make, vendor: Vendor, chip: str, words: str) -> None:
    with pytest.raises(QftError, match=words):
        read(make(chip=chip))
    assert not vendor.jobs


def test_tokens_of_two_journals_differ(tmp_path: Path) -> None:
    tokens = set()
    for name in ("a", "b", "a"):
        with closing(Journal(tmp_path / name, "experiment")) as journal:
            tokens |= {journal.token(1), journal.token(2)}
    assert len(tokens) == 4 and all(t.startswith("qft-") and len(t) == 44 for t in tokens)


def test_a_failed_job_says_why_and_only_it_is_sent_again(make, vendor: Vendor) -> None:
    vendor.faults = {"poll": [JobStatus("failed", reason="calibration was lost")]}
    backend = make()
    with pytest.raises(QftError, match=r"1 jobs failed.*calibration was lost"):
        read(backend)
    read(backend)
    assert len(vendor.jobs) == 3


@pytest.fixture
def installed(vendor: Vendor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The vendor as a package would have it: a client of its name, and a yaml that says what only the user may say."""
    module = ModuleType("qft.quantum.hardware.clients.vendor")
    module.CLIENT = type("Connected", (type(vendor),), {"connect": classmethod(lambda cls, options: vendor)})
    monkeypatch.setitem(sys.modules, module.__name__, module)
    shutil.copytree(configs.packaged(), tmp_path / "packaged")
    options = {"url": None, "journal": None, "moved": False, "deadline": 5.0, "poll": 0.001, "poll_max": 0.002}
    options |= {"service": {"paid": True, "yours": ["url"]}}
    (tmp_path / "packaged/backend/vendor.yaml").write_text(yaml.safe_dump(options))
    monkeypatch.setattr(configs, "packaged", lambda: tmp_path / "packaged")
    (tmp_path / "here/configs").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")


def test_its_jobs_are_listed_and_fetched_by_the_same_command(make, vendor: Vendor, installed, tmp_path, capsys) -> None:
    vendor.faults = {"poll": [Faulty("asleep")] * 100}
    backend = make("direct", batch_size=3)
    with pytest.raises(QftError, match="asleep"):
        read(backend)
    backend.close()
    vendor.faults = {}
    words = ("jobs", "backend=vendor", f"journal={tmp_path / 'j.sqlite'}", "format=json")
    states = []
    for more in ((), ("action=fetch", f"backend.url={vendor.url}")):
        assert qft_here(*words, *more) == 0
        states.append([job["state"] for job in json.loads(capsys.readouterr().out)["jobs"]])
    assert states == [["submitted"], ["done"]]


@pytest.mark.parametrize(
    ("found", "refusal"),
    [
        ({"defaults": ["eval_schema", {"backend": "vendor"}]}, "backend=vendor comes from a file of ./configs"),
        ({"backend": {"url": "http://thief"}}, "backend.url=http://thief comes from a file"),
    ],
)
def test_files_found_here_neither_choose_it_nor_say_where_its_key_goes(installed, found, refusal, capsys) -> None:
    ours = yaml.safe_load((configs.packaged() / "eval.yaml").read_text())
    if "defaults" in found:
        found["defaults"] = [d if d != {"backend": "statevector"} else {"backend": "vendor"} for d in ours["defaults"]]
    Path("configs/eval.yaml").write_text(yaml.safe_dump(ours | found))
    words = () if "defaults" in found else ("backend=vendor",)
    assert qft_here("eval", "run=nosuch", *words) == 2
    assert refusal in capsys.readouterr().err


@pytest.mark.parametrize("stated", ["backend.url=http://thief", "backend=vendor"])
def test_a_sweep_found_here_does_not_speak_of_it(installed, stated: str, capsys) -> None:
    sweep = yaml.safe_load((configs.packaged() / "sweep/table1.yaml").read_text())
    sweep["rows"] = {"lora": {"label": "LoRA", "adapter": "lora", "set": [stated]}}
    Path("configs/sweep").mkdir()
    Path("configs/sweep/mine.yaml").write_text(yaml.safe_dump(sweep))
    assert qft_here("sweep", "mine", "scale=smoke") == 2
    assert "sweep.rows.lora.set[0]" in capsys.readouterr().err


def test_a_backend_without_a_packaged_yaml_may_cost_money_if_it_uses_a_client(monkeypatch, tmp_path) -> None:
    shutil.copytree(configs.packaged(), tmp_path / "configs")
    (tmp_path / "quantum/backends").mkdir(parents=True)
    for name, line in (
        ("dense", "from qft.quantum.hardware import chip"),
        ("rival", "class Rival(HardwareBackend): ..."),
    ):
        (tmp_path / f"quantum/backends/{name}.py").write_text(line)
    monkeypatch.setattr(configs, "PACKAGE", tmp_path)
    assert [configs.service(name) for name in ("statevector", "dense")] == [None, None]
    services = [configs.service(name) for name in ("qcloud", "rival", "nosuch", "../x")]
    assert [service and service.paid for service in services] == [True] * 4
