"""Sampling of the noisy backend: the joint distribution of outcomes, not of each qubit by itself."""

import numpy as np
import pytest
import torch

from qft.errors import QftError
from qft.quantum import ansatz
from qft.quantum.backends.noisy import Noisy
from qft.quantum.circuit import Circuit, Gate, Input

BELL = Circuit(2, (Gate("RY", (0,), Input(0)), Gate("RY", (1,), Input(1)), Gate("CNOT", (0, 1))))
READOUT = [[0.95, 0.05], [0.1, 0.9]]


def test_outcomes_are_drawn_jointly():
    """Of a Bell state each shot gives both qubits the same bit: the two estimates are equal in every row."""
    z = torch.tensor([[np.pi / 2], [0.0]], dtype=torch.float64).repeat(1, 200)
    out = Noisy(shots=50).bind(BELL, torch.zeros(0, dtype=torch.float64))(z)
    torch.testing.assert_close(out[0], out[1], rtol=0, atol=1e-12)
    assert out[0].unique().numel() > 10
    # the variance of a mean of 50 shots of +-1 is 1/50; of 200 rows, within five standard errors sqrt(2/200)/50
    assert out[0].var().item() == pytest.approx(1 / 50, abs=5 * (2 / 200) ** 0.5 / 50)


def test_shots_average_to_the_exact_noisy_value():
    circuit = ansatz.qtha(3, 2)
    w, z = torch.randn(circuit.num_weights, dtype=torch.float64), torch.randn(3, 1, dtype=torch.float64)
    noise = {"p1": 0.02, "p2": 0.1, "t1": 5.0, "time2": 300, "readout": READOUT}
    exact = Noisy(noise).bind(circuit, w)(z)
    rows, shots = 2000, 100
    sampled = Noisy(noise, shots=shots).bind(circuit, w)(z.repeat(1, rows))
    error = (sampled.mean(1) - exact[:, 0]).abs() / ((1 - exact[:, 0] ** 2) / (rows * shots)).sqrt()
    assert error.max() < 5


def test_read_out_errors_shift_what_is_read_of_zero_and_one():
    circuit = Circuit(1, (Gate("RY", (0,), Input(0)),))
    z = torch.tensor([[0.0, np.pi]], dtype=torch.float64)
    out = Noisy({"readout": READOUT}).bind(circuit, z.new_zeros(0))(z)
    torch.testing.assert_close(out, torch.tensor([[0.9, -0.8]], dtype=torch.float64), rtol=0, atol=1e-12)


def test_a_fully_depolarised_chip_says_nothing():
    circuit = ansatz.qwthn(3)
    out = Noisy({"p1": 1.0}).bind(circuit, torch.randn(6))(torch.randn(3, 4))
    assert out.abs().max() < 1e-6


@pytest.mark.parametrize("shots", [0, -5])
def test_shots_below_one_are_refused(shots):
    with pytest.raises(QftError, match=f"shots={shots}"):
        Noisy(shots=shots)
