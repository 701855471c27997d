"""``qft circuit``: the drawings, the figures, and texts another program reads back to the same expectations."""

import json

import numpy as np
import pytest
from test_configs import composed

from qft.cli import circuit as command
from qft.config import CircuitConfig
from qft.errors import QftError
from qft.quantum import ansatz, reference

QWTHN = {"_target_": "qft.adapters.qwthn.QWTHNConfig", "name": "qwthn", "r": 4}
QTHA = {"_target_": "qft.adapters.qtha.QTHAConfig", "name": "qtha", "r": 3, "layers": 2}


@pytest.fixture(autouse=True)
def callers_logging(monkeypatch):
    """The command runs in this process, whose logging is not its own."""
    monkeypatch.setattr(command, "start_logging", lambda: None)


def run(capsys, tmp_path, adapter, **options):
    command.run(CircuitConfig(adapter=adapter, out=str(tmp_path / "c"), format="json", **options))
    return json.loads(capsys.readouterr().out)


def test_sizes_before_and_after_the_chip(capsys, tmp_path):
    out = run(capsys, tmp_path, QWTHN)
    # RY, a chain of four CRZ each waiting for the one before, RY
    assert out["circuit"] == {
        "qubits": 4,
        "depth": 6,
        "gates": 12,
        "of them": "4 CRZ, 8 RY",
        "on two qubits": 4,
        "angles in gates": 12,
        "inputs": 4,
        "trainable parameters": 8,
    }
    assert out["chip"]["on two qubits"] == 8 and out["chip"]["trainable parameters"] == 8
    assert out["chip"]["of them"] == "8 CZ, 16 U3" and out["chip"]["angles in gates"] == 3 * 16
    assert (tmp_path / "c/circuit.txt").read_text().count("CRZ") == 4
    assert (tmp_path / "c/circuit.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "adapter, circuit", [(QWTHN, ansatz.qwthn(4)), (QTHA, ansatz.qtha(3, 2))], ids=["qwthn", "qtha"]
)
def test_both_texts_are_the_circuit_at_the_angles_it_names(capsys, tmp_path, adapter, circuit):
    from pyqpanda3 import core
    from pyqpanda3.intermediate_compiler import convert_originir_string_to_qprog, convert_qasm_string_to_qprog

    angles = run(capsys, tmp_path, adapter, seed=5)["angles"]
    assert json.loads((tmp_path / "c/angles.json").read_text()) == angles
    r = circuit.qubits
    expected = reference.expectation_z(circuit, np.array(angles["inputs"]), np.array(angles["weights"]))
    for name, read in (("originir", convert_originir_string_to_qprog), ("qasm", convert_qasm_string_to_qprog)):
        text = (tmp_path / f"c/circuit.{name}").read_text()
        bare = [line for line in text.splitlines() if not line.lower().startswith("measure")]
        assert len(bare) == len(text.splitlines()) - r
        machine = core.CPUQVM()
        machine.run(read("\n".join(bare) + "\n"), 1)
        p = (np.abs(machine.result().get_state_vector()) ** 2).reshape((2,) * r)  # their qubit 0 is the last
        sums = [np.moveaxis(p, r - 1 - q, 0).reshape(2, -1).sum(1) for q in range(r)]
        np.testing.assert_allclose([zero - one for zero, one in sums], expected, rtol=0, atol=1e-9)


MODELLED = {  # method -> what its circuit has: qubits, gates, of them
    "qpa": (5, 72, "32 CNOT, 40 RY"),
    "quantum_peft": (9, 33, "8 CZ, 25 RY"),
    "cua": (2, 18, "3 CNOT, 2 H, 8 RZ, 5 RY"),
}


@pytest.mark.parametrize("name", MODELLED)
def test_what_hardware_would_run_of_a_simulated_method_is_drawn(capsys, caplog, tmp_path, name):
    caplog.set_level("INFO")
    config = composed("circuit", f"adapter={name}", f"out={tmp_path}/c", "format=json")
    config.adapter["name"] = name
    command.run(config)
    sizes = json.loads(capsys.readouterr().out)["circuit"]
    assert (sizes["qubits"], sizes["gates"]) == MODELLED[name][:2]
    assert sorted(sizes["of them"].split(", ")) == sorted(MODELLED[name][2].split(", "))
    assert "measured: " in caplog.text


@pytest.mark.parametrize(
    "overrides, words",
    [
        (["adapter=quic"], "adapter=quic has no circuit of gates: .*state tomography"),
        (["adapter=quantum_peft", "adapter.sizes=mixed", "model=qwen2_7b_instruct"], "a wire of 7 levels"),
        (["adapter=qpa", "adapter.probabilities=trained"], "adapter=qpa has no circuit"),
    ],
)
def test_a_simulated_method_without_one_says_why(overrides, words, tmp_path):
    config = composed("circuit", *overrides, f"out={tmp_path}/c")
    config.adapter["name"] = overrides[0].removeprefix("adapter=")
    with pytest.raises(QftError, match=words):
        command.run(config)
    assert not (tmp_path / "c").exists()


def test_given_angles_are_used_and_random_ones_follow_the_seed(capsys, tmp_path):
    given = run(capsys, tmp_path, QWTHN, inputs=[0.1, 0.2, 0.3, 0.4])["angles"]
    assert given["inputs"] == [0.1, 0.2, 0.3, 0.4] and len(set(given["weights"])) == 8
    one, same, other = (run(capsys, tmp_path, QWTHN, seed=s)["angles"] for s in (1, 1, 2))
    assert one == same != other


@pytest.mark.parametrize(
    "adapter, options, words",
    [
        ({"_target_": "peft.LoraConfig", "name": "lora"}, {}, "adapter=lora has no circuit"),
        ({"_target_": "qft.adapters.sora.SoRAConfig", "name": "sora"}, {}, "adapter=sora has no circuit"),
        ({**QWTHN, "circuit": "none"}, {}, "no circuit"),
        ({"published": {}}, {}, "Choose a method"),
        (QWTHN, {"inputs": [1.0]}, "inputs takes 4 angles.*1 are"),
    ],
)
def test_what_cannot_be_drawn_is_refused(adapter, options, words, tmp_path):
    with pytest.raises(QftError, match=words):
        command.run(CircuitConfig(adapter=adapter, out=str(tmp_path / "c"), **options))
    assert not (tmp_path / "c").exists()


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(QftError, match="file is not a directory"):
        command.run(CircuitConfig(adapter=QWTHN, out=str(tmp_path / "file/c")))
