"""Mitigation of what a chip measures, against the exact noisy backend, and what it takes to be counted."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from plain import u3
from test_vendor import Vendor

from qft.errors import QftError
from qft.quantum import ansatz, backends, observables
from qft.quantum.backends.noisy import Noisy
from qft.quantum.hardware import cost
from qft.quantum.hardware.backend import HardwareBackend, HardwareOptions
from qft.quantum.hardware.clients.base import Counts, Program
from qft.quantum.hardware.poller import Waiting
from qft.quantum.mitigation import Mitigation, Reading
from qft.quantum.noise import NoiseModel

CIRCUIT = ansatz.qwthn(2)
WEIGHTS = torch.tensor([0.3, -1.1, 0.7, 0.4], dtype=torch.float64)
NOISE = {"p1": 0.002, "p2": 0.03, "readout": [[0.94, 0.06], [0.1, 0.9]]}
SHOTS = 10**8  # counts are the expected ones, rounded: right to 1e-8
MITIGATIONS = {"readout": {"readout": True}, "zne": {"zne": [1, 3]}, "both": {"readout": True, "zne": [1, 3, 5]}}


class NoisyVendor(Vendor):
    """A chip of two qubits with NOISE, by a density matrix with Kraus matrices, that returns expected counts."""

    def fetch(self, task: str, programs: Sequence[Program]) -> list[Counts]:
        return [noisy_counts(p.text, p.shots) for p in programs]


def noisy_counts(text: str, shots: int) -> Counts:
    noise = NoiseModel.of(NOISE)
    rho = np.diag([1.0, 0, 0, 0]).astype(complex)
    for on, *rest in json.loads(text)[2]:
        if len(rest) == 1:
            steps = [[np.diag([1, 1, 1, -1])], noise.kraus(2)]
        else:
            steps = [[np.kron(m, np.eye(2)) if on == 0 else np.kron(np.eye(2), m) for m in each]
                     for each in ([u3(*rest)], noise.kraus(1))]  # fmt: skip
        for kraus in steps:
            rho = sum(k @ rho @ k.conj().T for k in kraus)
    confusion = np.array(noise.confusion())
    p = np.kron(confusion, confusion).T @ np.diag(rho).real  # qubit 0 is the most significant bit
    counts = {f"{k & 1}{k >> 1}": round(shots * value) for k, value in enumerate(p)}  # bit 0 is the rightmost
    counts["00"] += shots - sum(counts.values())
    return counts


@pytest.fixture
def make(tmp_path: Path):
    made = []

    def build(mode: str, mitigation: dict) -> HardwareBackend:
        options = HardwareOptions(
            chip="seven", max_qubits=7, shots=SHOTS, options={}, mode=mode, grouping="grouped", fresh_shots=False,
            batch_size=50, max_circuits=10_000, journal=str(tmp_path / f"{mode}.sqlite"), moved=False,
            waiting=Waiting(5, 0.001, 0.002), seed=0, mitigation=Mitigation.of(mitigation),
        )  # fmt: skip
        made.append(HardwareBackend(NoisyVendor(), options))
        return made[-1]

    yield build
    for backend in made:
        backend.close()


@pytest.mark.parametrize("mode", ["direct", "surrogate"])
@pytest.mark.parametrize("name", MITIGATIONS)
def test_what_is_measured_equals_the_exact_noisy_backend(make, mode: str, name: str) -> None:
    """To 1e-5: angles are sent with six decimals, and extrapolation and slopes multiply that by a few."""
    z = torch.linspace(-3, 2, 6, dtype=torch.float64).reshape(2, 3)
    backend = make(mode, MITIGATIONS[name])
    out = backend.bind(CIRCUIT, WEIGHTS)(z)
    exact = Noisy(NOISE, mitigation=MITIGATIONS[name]).bind(CIRCUIT, WEIGHTS)(z)
    torch.testing.assert_close(out, exact, rtol=0, atol=1e-5)
    assert (out - Noisy(NOISE).bind(CIRCUIT, WEIGHTS)(z)).abs().max() > 0.01
    if mode == "surrogate":
        assert backend.surrogates.fits[0]["sigmas"] < 3


@pytest.mark.parametrize(
    "name", ["both", *(pytest.param(n, marks=pytest.mark.extended) for n in ("none", *MITIGATIONS) if n != "both")]
)
def test_cost_and_journal_count_its_circuits(make, name: str) -> None:
    mitigation = MITIGATIONS.get(name, {})
    work = cost.Work(validation=2, validation_tokens=3, answers=0, prompt_tokens=1, answer_tokens=1, side_by_side=2)
    terms = cost.Terms(batch_size=50, shots=SHOTS, mitigation=Mitigation.of(mitigation))
    backend = make("direct", mitigation)
    backend.bind(CIRCUIT, WEIGHTS)(torch.linspace(-3, 2, 12, dtype=torch.float64).reshape(2, 6))
    counted = cost.direct("grouped", [CIRCUIT], work, terms, False)
    assert (counted.circuits, counted.jobs) == (backend.job_runner.journal.circuits_sent(), len(backend.client.jobs))
    backend = make("surrogate", mitigation)
    backend.begin(Path(), "x", [(CIRCUIT, WEIGHTS)])
    counted = cost.surrogate([CIRCUIT], terms)
    assert (counted.circuits, counted.jobs) == (backend.job_runner.journal.circuits_sent(), len(backend.client.jobs))


def test_products_of_readings_are_corrected_too() -> None:
    readings = NoiseModel(readout=NOISE["readout"]).calibrated()
    corrected = [Reading.of(*readings)] * 2
    for state in ("00", "01", "10", "11"):
        p = np.array([1.0])
        for bit in state:
            p = np.kron(p, NOISE["readout"][int(bit)])
        counts = {f"{k:02b}": round(10**6 * value) for k, value in enumerate(p)}
        right = (-1) ** state.count("1")
        assert observables.expectation(counts, "ZZ", "ZZ", corrected) == pytest.approx(right, abs=1e-5)


def test_a_cloud_that_may_change_qubits_or_circuits_is_refused(monkeypatch) -> None:
    monkeypatch.setenv("QFT_QCLOUD_KEY", "k" * 20)
    for options, words in (({"readout": True}, "specified_block"), ({"zne": [1, 3]}, "optimization=false")):
        settings = {"optimization": True} if "zne" in options else {}
        with pytest.raises(QftError, match=words):
            backends.load("qcloud", url="https://example.org", mitigation=options, options=settings)
