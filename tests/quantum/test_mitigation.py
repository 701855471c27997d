"""Mitigation: what extrapolation and calibration give, by hand, exactly in the noisy backend, and in shots."""

import numpy as np
import pytest
import torch

from qft.errors import QftError
from qft.quantum import ansatz
from qft.quantum.backends.noisy import Noisy
from qft.quantum.backends.statevector import Statevector
from qft.quantum.circuit import Circuit, Gate, Input
from qft.quantum.mitigation import Mitigation, Reading

NOISE = {"p1": 0.002, "p2": 0.02, "readout": [[0.95, 0.05], [0.1, 0.9]]}
CIRCUIT = ansatz.qwthn(3)
ALL = {"readout": True, "zne": [1, 3, 5], "extrapolation": "richardson"}


def angles(rows=4):
    draw = torch.Generator().manual_seed(2)
    z = torch.randn(3, rows, dtype=torch.float64, generator=draw)
    return z, torch.randn(CIRCUIT.num_weights, dtype=torch.float64, generator=draw)


@pytest.mark.parametrize("folds, degree", [([1, 3], 1), ([1, 3, 5], 1), ([3, 1, 7], 2), ([1, 3, 5, 7], 3)])
def test_extrapolation_is_that_of_a_fitted_polynomial(folds, degree):
    values = np.random.default_rng(0).normal(size=len(folds))
    weights = Mitigation(zne=folds, extrapolation="linear" if degree == 1 else "richardson").weights
    assert np.dot(weights, values) == pytest.approx(np.polynomial.Polynomial.fit(folds, values, degree)(0), abs=1e-12)
    assert Mitigation(zne=folds).variance == pytest.approx(sum(w * w for w in Mitigation(zne=folds).weights))


def test_without_errors_of_gates_corrected_readings_are_right():
    """U3 have no errors here, so that the 1 of the calibration circuits is one."""
    z, w = angles()
    out = Noisy({"readout": NOISE["readout"]}, mitigation={"readout": True}).bind(CIRCUIT, w)(z)
    torch.testing.assert_close(out, Statevector().bind(CIRCUIT, w)(z), rtol=0, atol=1e-10)


def test_folding_runs_each_cz_so_often():
    """A circuit whose CZ are written out three times is the circuit folded by 3."""
    gates = [Gate("RY", (q,), Input(q)) for q in (0, 1)]
    once, thrice = (Circuit(2, (*gates, *[Gate("CZ", (0, 1))] * n, Gate("RY", (0,), 0.4))) for n in (1, 3))
    z, none = angles()[0][:2], torch.zeros(0, dtype=torch.float64)
    one, three = (Noisy(NOISE).bind(circuit, none)(z) for circuit in (once, thrice))
    out = Noisy(NOISE, mitigation={"zne": [1, 3]}).bind(once, none)(z)
    torch.testing.assert_close(out, 1.5 * one - 0.5 * three, rtol=0, atol=1e-12)


@pytest.mark.parametrize("noise", [NOISE, {"chip": "manila"}], ids=["model", "chip"])
def test_mitigated_is_nearer_to_right_and_differentiable(noise):
    if "chip" in noise:
        pytest.importorskip("qiskit", reason="needs Qiskit: pip install 'qft[ibm]'")
    z, w = (a.requires_grad_() for a in angles(2))
    right = Statevector().bind(CIRCUIT, w)(z)
    plain, read, both = (Noisy(noise, mitigation=m) for m in ({}, {"readout": True}, ALL))
    errors = [(b.bind(CIRCUIT, w)(z) - right).square().mean().sqrt().item() for b in (plain, read, both)]
    assert errors[0] > 1.5 * errors[1] > 3 * errors[2]
    assert (plain.evaluations, both.evaluations) == (2, 6)
    assert torch.autograd.gradcheck(lambda z, w: both.bind(CIRCUIT, w)(z), (z, w))


@pytest.mark.parametrize("mitigation", [{"readout": True}, ALL], ids=["readout", "all"])
def test_shots_scatter_around_the_exact_value_as_their_variance_says(mitigation):
    """The mean over rows within five standard errors; calibration has shots of its own, the same for all rows."""
    z, w = angles(1)
    rows, shots = 400, 4000
    exact = Noisy(NOISE, mitigation=mitigation).bind(CIRCUIT, w)(z)
    sampled = Noisy(NOISE, shots=shots, seed=4, mitigation=mitigation).bind(CIRCUIT, w)(z.repeat(1, rows))
    slope = 0.85  # of what is read: P(0|0) - P(0|1)
    spread = (Mitigation(**mitigation).variance / shots) ** 0.5 / slope
    calibration = 2 * (0.1 / shots) ** 0.5 / slope  # 4 p (1 - p) is at most 0.36, for 0 and 1 together
    assert ((sampled.mean(1) - exact[:, 0]).abs() < 5 * (spread / rows**0.5 + calibration)).all()
    assert (sampled.std(1) < 1.2 * spread).all() and (sampled.std(1) > 0.3 * spread).all()


@pytest.mark.parametrize(
    "options, words",
    [
        ({"zne": [1]}, "two or more odd numbers"),
        ({"zne": [1, 2]}, "two or more odd numbers"),
        ({"zne": [3, 3]}, "two or more odd numbers"),
        ({"zne": 3}, "two or more odd numbers"),
        ({"zne": [1, 3], "extrapolation": "linaer"}, "Did you mean 'linear'"),
        ({"readout": "yes"}, "true or false"),
        ({"readuot": True}, "Did you mean 'readout'"),
    ],
)
def test_what_makes_no_sense_is_refused(options, words):
    with pytest.raises(QftError, match=words):
        Noisy(NOISE, mitigation=options)


def test_readings_that_say_nothing_are_refused():
    with pytest.raises(QftError, match="no better than chance"):
        Reading.of(-0.1, 0.1)
