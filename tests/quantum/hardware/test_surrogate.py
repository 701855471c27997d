"""The polynomial through a grid of measured values equals the circuit everywhere; its errors are what they say."""

import numpy as np
import pytest
import torch

from qft.quantum import ansatz, reference
from qft.quantum.circuit import Circuit, Gate, Input
from qft.quantum.hardware import surrogate

CASES = {
    "qwthn": ansatz.qwthn(3),
    "two uploads": ansatz.qtha(2, 2),
    "four uploads": ansatz.qtha(2, 4),
    "uneven": Circuit(2, (*ansatz.qwthn(2).gates, Gate("RX", (0,), Input(1)), Gate("RZ", (1,), Input(1)))),
}


def dense(circuit: Circuit, z: np.ndarray, w: np.ndarray) -> torch.Tensor:
    return torch.tensor(np.array([reference.expectation_z(circuit, row, w) for row in z.T]).T)


@pytest.mark.parametrize("name", CASES)
def test_exact_values_give_the_exact_response(name: str) -> None:
    circuit, rng = CASES[name], np.random.default_rng(2)
    w = rng.uniform(-3, 3, circuit.num_weights)
    points = surrogate.grid(circuit)
    assert points.shape == (circuit.num_inputs, surrogate.settings(circuit))
    fit = surrogate.Surrogate(circuit, dense(circuit, points, w), 1000)
    z = rng.uniform(-7, 7, (circuit.num_inputs, 40))
    torch.testing.assert_close(fit.evaluate(torch.tensor(z)), dense(circuit, z, w), rtol=0, atol=1e-12)


def test_the_papers_grids() -> None:
    assert surrogate.settings(ansatz.qwthn(4)) == 81
    assert surrogate.settings(ansatz.qtha(4, 4)) == 6561
    assert surrogate.settings(ansatz.qtha(10, 10)) == 21**10  # counted, not built


def test_no_angle_of_a_grid_is_one_a_compiler_drops() -> None:
    for times in range(1, 7):
        angles = surrogate.points(times)
        assert len(angles) == 2 * times + 1 and (np.abs(angles) <= np.pi).all()
        assert np.abs(np.sin(2 * angles)).min() > 1e-2  # no multiple of pi / 2


def test_long_inputs_are_evaluated_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    circuit = ansatz.qwthn(2)
    fit = surrogate.Surrogate(circuit, torch.rand(2, 9, dtype=torch.float64), 100)
    z = torch.randn(2, 50)
    whole = fit.evaluate(z)
    monkeypatch.setitem(surrogate.AT_ONCE, "cpu", 7 * 2 * 3)
    assert torch.equal(fit.evaluate(z), whole) and whole.dtype == torch.float32


def sampled(exact: torch.Tensor, shots: int, rng: np.random.Generator) -> torch.Tensor:
    """Means of ``shots`` outcomes, drawn for each qubit by itself."""
    p = (1 + exact.numpy()) / 2
    return torch.tensor(2 * rng.binomial(shots, p.clip(0, 1)) / shots - 1)


def test_standard_errors_are_the_spread_of_repetitions() -> None:
    circuit, rng, shots = ansatz.qwthn(2), np.random.default_rng(3), 200
    w = rng.uniform(-3, 3, circuit.num_weights)
    z, held = torch.tensor(rng.uniform(-3, 3, (2, 5))), surrogate.held_out(circuit, rng)
    exact, exact_held = dense(circuit, surrogate.grid(circuit), w), dense(circuit, held, w)
    fits = [surrogate.Surrogate(circuit, sampled(exact, shots, rng), shots) for _ in range(600)]
    spread = torch.stack([fit.evaluate(z) for fit in fits]).std(0)
    claimed = torch.stack([fit.errors(z) for fit in fits]).mean(0)
    torch.testing.assert_close(claimed, spread, rtol=0.12, atol=0)
    # residuals on settings of their own are what both errors explain: three sigmas are rare
    excess = [fit.check(torch.tensor(held), sampled(exact_held, shots, rng))[1] for fit in fits]
    assert abs(np.mean(excess)) < 0.3 and np.mean(np.array(excess) > 3) < 0.04


def test_a_response_that_is_no_such_polynomial_shows() -> None:
    """A chip whose calibration moves with the angles: the last qubit's value is cubed."""
    circuit, rng, shots = ansatz.qwthn(3), np.random.default_rng(4), 10_000
    w = rng.uniform(-3, 3, circuit.num_weights)
    held = surrogate.held_out(circuit, rng)

    def crooked(z: np.ndarray) -> torch.Tensor:
        values = sampled(dense(circuit, z, w), shots, rng)
        values[-1] **= 3
        return values

    residual, excess = surrogate.Surrogate(circuit, crooked(surrogate.grid(circuit)), shots).check(
        torch.tensor(held), crooked(held)
    )
    assert excess > 3 and residual > 0.01


def test_all_outcomes_equal_is_not_taken_for_certainty() -> None:
    assert surrogate.variance(torch.ones(1, dtype=torch.float64), 100).item() > 1e-4


@pytest.mark.parametrize(
    "circuit", [Circuit(2, (Gate("CRZ", (0, 1), Input(0)),)), Circuit(1, (Gate("RY", (0,), Input(1)),)), Circuit(1, ())]
)
def test_a_circuit_without_a_grid_is_refused(circuit: Circuit) -> None:
    with pytest.raises(ValueError):
        surrogate.settings(circuit)
