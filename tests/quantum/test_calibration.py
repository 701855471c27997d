"""Calibrations of chips: what comes along, a file of one's own, what is refused, and the importer."""

import json

import numpy as np
import pytest
import torch
from program import qft_here

from qft.errors import QftError
from qft.quantum import ansatz, calibration
from qft.quantum.backends.noisy import Noisy
from qft.quantum.chip_noise import ChipNoise
from qft.quantum.importers import from_qiskit
from qft.quantum.simulators.routed_layers import routed_layers

QUBIT = {"t1": 100.0, "t2": None, "readout": [0.01, 0.02], "sx": [0.001, 40.0], "x": [0.001, 40.0]}
PLAIN = {"schema": 1, "qubits": [QUBIT, QUBIT], "two_qubit": "cz", "pairs": [[0, 1, 0.01, 100.0]]}


def test_chips_that_come_along_can_be_read_and_name_their_source():
    assert len(calibration.names()) >= 5
    for name in calibration.names():
        chip = calibration.load(name)
        assert chip.name == name and "Apache-2.0" in chip.source and chip.date and chip.readout_time > 0


def test_the_error_of_gate_and_decay_together_is_the_one_reported():
    """By the definition of the average gate error, from the transfer matrix."""
    chip = calibration.load("torino")
    noise = ChipNoise(chip)
    for gate, on in (("sx", (5,)), ("cz", next(iter(chip.pairs)))):
        d = 2 ** len(on)
        fidelity = (np.trace(noise.after(gate, on)) / d + 1) / (d + 1)
        assert 1 - fidelity == pytest.approx(chip.quality(gate, on).error, abs=1e-12)


def test_a_file_of_ones_own(tmp_path):
    pytest.importorskip("qiskit", reason="needs Qiskit: pip install 'qft[ibm]'")
    file = tmp_path / "two.json"
    file.write_text(json.dumps(PLAIN))
    backend = Noisy({"chip": str(file)})
    assert backend.refusal(ansatz.qwthn(2)) is None and "has 2" in backend.refusal(ansatz.qwthn(3))
    z, w = torch.zeros(2, 1), torch.zeros(4)
    assert 0.8 < backend.bind(ansatz.qwthn(2), w)(z).min() < 0.97
    assert backend.report()["calibration"] == calibration.load(str(file)).digest


@pytest.mark.parametrize(
    "change, words",
    [
        ({"schema": 2}, "schema 2"),
        ({"two_qubit": "iswap"}, "cz, ecr, cx"),
        ({"pairs": [[0, 2, 0.01, 100.0]]}, "none of its 2 qubits"),
        ({"pairs": [[0, 0, 0.01, 100.0]]}, "with itself"),
        ({"pairs": [[0, 1, 1.5, 100.0]]}, "1.5 is not a probability"),
        ({"pairs": 3}, "no calibration"),
        ({"qubits": [QUBIT | {"t1": 0}]}, "lifetime of 0"),
        ({"qubits": [QUBIT | {"readout": [0.1]}]}, "no calibration"),
        ({"qubits": [QUBIT | {"sx": "fast"}]}, "no calibration"),
        ({"qubits": [{}]}, "lacks the key 't1'"),
        ({"qubits": [], "pairs": []}, "no qubits"),
        ({"dt": 0}, "dt must be more than 0"),
        ({"dt": float("nan")}, "nan is not a number"),
    ],
)
def test_what_is_no_calibration_is_refused(tmp_path, change, words):
    file = tmp_path / "chip.json"
    file.write_text(json.dumps(PLAIN | change))
    with pytest.raises(QftError, match=words):
        calibration.load(str(file))


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 5000, "null", "3"])
def test_junk_is_refused(tmp_path, text):
    file = tmp_path / "chip.json"
    file.write_text(text)
    with pytest.raises(QftError, match=r"chip\.json"):
        calibration.load(str(file))


def test_an_unknown_chip_is_refused_with_the_nearest():
    with pytest.raises(QftError, match="Did you mean 'torino'"):
        calibration.load("torin")


@pytest.mark.parametrize(
    "options, words", [({"seed": -1}, "seed=-1"), ({"level": 4}, "level=4"), ({"sed": 1}, "'sed'")]
)
def test_options_that_make_no_sense_are_refused(options, words):
    with pytest.raises(QftError, match=words):
        Noisy({"chip": "manila"} | options)


def test_a_scale_beyond_what_is_possible_is_refused():
    with pytest.raises(QftError, match="scale=1000"):
        Noisy({"chip": "manila"}, scale=1000)


def test_what_comes_along_is_what_the_importer_makes():
    fakes = pytest.importorskip("qiskit_ibm_runtime.fake_provider", reason="needs IBM's client: pip install 'qft[ibm]'")
    document = from_qiskit(fakes.FakeManilaV2(), "manila", "x")
    assert calibration.parse(document, "manila").digest == calibration.load("manila").digest


def test_the_circuit_that_is_priced_is_the_one_that_is_simulated(capfd):
    """``qft cost`` counts what ``backend.noise=torino`` simulates, and its time."""
    pytest.importorskip("qiskit", reason="needs Qiskit: pip install 'qft[ibm]'")
    chip, circuit = calibration.load("torino"), ansatz.qwthn(4)
    noise = Noisy({"chip": "torino"}).noise
    simulated = routed_layers(circuit, noise).routed
    assert qft_here("cost", "adapter=qwthn", "answers=5", "calibration=torino", "format=json", "backend.shots=100") == 0
    done = capfd.readouterr()
    assert f"{simulated.pair_gates} cz, {simulated.pulses} pulses" in done.err
    for way in json.loads(done.out)["costs"]:
        assert way["seconds"] == pytest.approx(way["shots"] * (simulated.time + chip.readout_time) * 1e-9)
