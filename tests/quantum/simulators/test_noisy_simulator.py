"""Noisy expectations against a plain density matrix with Kraus matrices: 1e-10 in float64."""

import numpy as np
import pytest
import torch
from plain import noisy_expectation_z, random_circuit

from qft.quantum import ansatz
from qft.quantum.circuit import Circuit, Gate, Input, Weight
from qft.quantum.noise import NoiseModel
from qft.quantum.simulators import fourier, noisy
from qft.quantum.simulators.noisy_layers import noisy_layers
from qft.quantum.simulators.transfer import z_observables

READOUT = [[0.95, 0.05], [0.1, 0.9]]
JOINT = NoiseModel(0.01, 0.1, True, 30.0, 20.0, 40, 200, READOUT)
APART = NoiseModel(0.02, 0.1, False, 5.0, None, 0, 500, scale=0.5)
CIRCUITS = {
    "qwthn-1": ansatz.qwthn(1),
    "qwthn-3": ansatz.qwthn(3, 2),
    "qwthn-bare": ansatz.qwthn(2, entangle=False),
    "qtha-1": ansatz.qtha(1, 2),
    "qtha-3": ansatz.qtha(3, 2),
    "qtha-once": ansatz.qtha(3, 2, "once", "ry_first"),
    "shared": Circuit(
        2, (Gate("RX", (0,), Input(0)), Gate("CRZ", (0, 1), Input(0)), Gate("RY", (1,), Weight(0)), Gate("H", (0,)))
    ),
}
CIRCUITS |= {f"random-{r}-{s}": random_circuit(r, s) for r in (1, 3) for s in range(2)}


@pytest.fixture(params=["dense", "by-gate"])
def way(request, monkeypatch):
    """Both ways of applying what lies between uploads, in chunks of 16 rows."""
    monkeypatch.setattr(noisy, "DENSE_QUBITS", 10 if request.param == "dense" else 0)
    monkeypatch.setitem(noisy.AT_ONCE, "cpu", 16)


def bind(circuit, w, noise):
    return noisy.bind(circuit, w, noise, z_observables(circuit.qubits, w))


def angles(circuit, rows):
    z = torch.randn(circuit.num_inputs, rows, dtype=torch.float64) * 2
    w = torch.randn(circuit.num_weights, dtype=torch.float64) * 2
    return z.requires_grad_(), w.requires_grad_()


@pytest.mark.parametrize("noise", [JOINT, APART], ids=["joint", "apart"])
@pytest.mark.parametrize("name", CIRCUITS)
def test_values_equal_the_plain_density_matrix(name, noise, way):
    circuit = CIRCUITS[name]
    z, w = angles(circuit, rows=18)
    out = bind(circuit, w, noise)(z)
    plain = [noisy_expectation_z(circuit, x, w.detach().numpy(), noise) for x in z[:, [0, 17]].detach().numpy().T]
    np.testing.assert_allclose(out[:, [0, 17]].detach().numpy(), np.array(plain).T, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", ["qwthn-3", "qtha-3", "shared", "random-3-0"])
def test_gradcheck(name, way):
    circuit = CIRCUITS[name]
    z, w = angles(circuit, rows=3)
    assert torch.autograd.gradcheck(lambda z, w: bind(circuit, w, JOINT)(z), (z, w))


def test_without_noise_it_is_the_response_of_the_circuit_before_the_chip():
    from qft.quantum.simulators import statevector

    circuit = ansatz.qtha(4, 4)
    z, w = (a.detach() for a in angles(circuit, rows=5))
    expected = statevector.bind(circuit, w)(z)
    torch.testing.assert_close(bind(circuit, w, NoiseModel())(z), expected, rtol=0, atol=1e-10)


def test_a_circuit_has_one_layer_more_than_uploads_of_a_qubit():
    assert [len(noisy_layers(ansatz.qtha(4, uploads))) for uploads in (1, 2, 4)] == [2, 3, 5]
    assert not noisy_layers(ansatz.qwthn(3))[0].ops


@pytest.mark.parametrize("name", ["qtha-1", "qtha-3", "random-3-0", "random-3-1", "shared"])
def test_with_many_rows_and_no_gradients_the_series_takes_over(name, monkeypatch):
    circuit = CIRCUITS[name]
    made, plain = [], fourier.series
    monkeypatch.setattr(noisy.fourier, "series", lambda *a: made.append(1) or plain(*a))
    monkeypatch.setitem(fourier.AT_ONCE, "cpu", 64)
    z, w = (a.detach() for a in angles(circuit, rows=700))
    read = bind(circuit, w, JOINT)
    expected = read(z.clone().requires_grad_()).detach()
    assert not made, "training does not build it"
    with torch.no_grad():
        few, many, again = read(z[:, :4]), read(z), read(z)
    torch.testing.assert_close(few, expected[:, :4], rtol=0, atol=1e-12)
    torch.testing.assert_close(many, expected, rtol=0, atol=1e-12)
    assert torch.equal(many, again)
    halves = any(isinstance(g.angle, Input) and g.name == "CRZ" for g in circuit.gates)
    assert len(made) == (0 if halves else 1), "once, and never where frequencies are halves"


def test_memory_of_a_step_is_a_chunk_and_the_inputs(monkeypatch):
    """4,096 rows of 256 numbers and four layers would keep 33 MB in float64; the saved tensors are z's parts."""
    monkeypatch.setitem(noisy.AT_ONCE, "cpu", 256 * 64)
    circuit = ansatz.qtha(4, 4)
    z, w = angles(circuit, rows=4096)
    read = bind(circuit, w, JOINT)
    kept = {}
    hooks = torch.autograd.graph.saved_tensors_hooks(
        lambda t: (kept.update({t.data_ptr(): t.nbytes}), t)[1], lambda t: t
    )
    with hooks:
        read(z)
    assert sum(kept.values()) < 2e6


def test_too_many_qubits_are_refused_with_the_limit():
    assert "at most 8" in noisy.refusal(ansatz.qwthn(9), NoiseModel())
    assert "at most 6" in noisy.refusal(ansatz.qtha(7), NoiseModel())
    assert noisy.refusal(ansatz.qwthn(8), NoiseModel()) is None and noisy.refusal(ansatz.qtha(6), NoiseModel()) is None
    with pytest.raises(ValueError, match="at most 6"):
        bind(ansatz.qtha(7, 2), torch.zeros(56), NoiseModel())
