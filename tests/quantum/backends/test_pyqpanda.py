"""Two implementations of one noisy chip: ours against pyqpanda3's simulators, and its own error functions."""

import sys

import numpy as np
import pytest
import torch
from noisy_chips import CIRCUITS, NOISE, case

from qft.errors import QftError
from qft.quantum.backends.noisy import Noisy
from qft.quantum.backends.pyqpanda import PyQPanda
from qft.quantum.hardware.chip import CZ, bound, to_chip


@pytest.mark.parametrize("noise", NOISE)
@pytest.mark.parametrize("name", CIRCUITS)
def test_exact_values_agree_to_1e_9(name, noise):
    circuit, z, w = case(name, rows=3)
    ours, theirs = (backend(NOISE[noise]).bind(circuit, w)(z) for backend in (Noisy, PyQPanda))
    torch.testing.assert_close(theirs, ours, rtol=0, atol=1e-9)


@pytest.mark.parametrize("joint", [True, False])
def test_our_kraus_matrices_are_their_own_errors(joint):
    """The same circuit with pyqpanda3's depolarizing_error and decoherence_error, in their conventions."""
    from pyqpanda3 import core

    circuit, z, w = case("qwthn", rows=1)
    noise = {"p1": 0.02, "p2": 0.1, "joint": joint, "t1": 30.0, "t2": 20.0, "time1": 400.0, "time2": 2000.0}
    model, one, two = core.NoiseModel(), core.GateType.U3, core.GateType.CZ
    model.add_all_qubit_quantum_error(core.depolarizing_error(0.02), one)
    model.add_all_qubit_quantum_error(core.decoherence_error(30.0, 20.0, 0.4), one)
    if joint:
        pairs = {a + b: 0.1 / 16 for a in "IXYZ" for b in "IXYZ"}
        model.add_all_qubit_quantum_error(core.QuantumError(pairs | {"II": 0.9 + 0.1 / 16}), two)
    else:  # an error on one qubit hits both qubits of the gate
        model.add_all_qubit_quantum_error(core.depolarizing_error(0.1), two)
    model.add_all_qubit_quantum_error(core.decoherence_error(30.0, 20.0, 2.0), two)
    prog = core.QProg()
    for op in bound(to_chip(circuit), z[:, 0].numpy(), w.numpy()):
        prog << (core.CZ(*op.qubits) if isinstance(op, CZ) else core.U3(op.qubit, op.theta, op.phi, op.lam))
    machine = core.DensityMatrixSimulator()
    machine.run(prog, model)
    p = np.array(machine.state_probs()).reshape(2, 2, 2, 2)  # their qubit 0 is the last
    theirs = [np.diff(np.moveaxis(p, 3 - q, 0).reshape(2, -1).sum(1))[0] * -1 for q in range(4)]
    np.testing.assert_allclose(Noisy(noise).bind(circuit, w)(z)[:, 0], theirs, rtol=0, atol=1e-9)


@pytest.mark.parametrize("noise", ["ideal", "all"])
def test_shots_lie_within_five_standard_errors(noise):
    circuit, z, w = case("qwthn", rows=2)
    exact = Noisy(NOISE[noise]).bind(circuit, w)(z)
    sampled = PyQPanda(NOISE[noise], shots=1000).bind(circuit, w)(z)
    error = (sampled - exact).abs() / ((1 - exact**2) / 1000).sqrt()
    assert 0 < error.max() < 5


def test_the_number_of_threads_is_set_back():
    circuit, z, w = case("qwthn", rows=1)
    torch.set_num_threads(2)
    try:
        PyQPanda().bind(circuit, w)(z)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_without_pyqpanda3_a_sentence_says_where_it_comes_from(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyqpanda3", None)
    with pytest.raises(QftError, match=r"needs pyqpanda3.*pip install 'pyqpanda3>=0\.5\.1"):
        PyQPanda()


def test_shots_below_one_are_refused():
    with pytest.raises(QftError, match="shots=0"):
        PyQPanda(shots=0)
