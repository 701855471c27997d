"""A simulator in the place of a chip shares shots as the job runner does."""

import pytest
import torch

from qft.errors import QftError
from qft.quantum import ansatz, backends
from qft.quantum.hardware.rehearsal import Rehearsal
from qft.quantum.hardware.surrogate import settings

CIRCUIT = ansatz.qwthn(2)
WEIGHTS = torch.linspace(0.7, -1.1, CIRCUIT.num_weights)
NOISE = {"p1": 0.01, "p2": 0.1}


def simulated(shots: int = 200, seed: int = 3):
    return backends.load("noisy", noise=NOISE, shots=shots, seed=seed)


def rows(count: int = 40) -> torch.Tensor:
    return torch.rand(2, count, generator=torch.Generator().manual_seed(5)) * 6 - 3


def test_equal_rows_are_measured_once_whatever_call_they_come_in() -> None:
    chip, z = Rehearsal(simulated()), rows()
    read = chip.bind(CIRCUIT, WEIGHTS)
    first = read(z[:, [0, 1, 0, 2, 1]])
    assert chip.sent == 3
    assert torch.equal(first[:, 0], first[:, 2]) and torch.equal(first[:, 1], first[:, 4])
    again = chip.bind(CIRCUIT, WEIGHTS.clone())(z[:, [2, 7, 0]])  # another batch
    assert chip.sent == 4 and torch.equal(again[:, [0, 2]], first[:, [3, 0]])
    other = chip.bind(CIRCUIT, WEIGHTS + 1)(z[:, :1])  # another module
    assert chip.sent == 5 and not torch.equal(other, first[:, :1])


def test_rows_of_unlike_angles_are_drawn_by_themselves() -> None:
    """2000 rows that differ by more than is sent have the spread of 200 shots; in one lot they would have none."""
    z = rows(1) + torch.arange(2000) * 1e-4
    chip = Rehearsal(simulated())
    error = chip.bind(CIRCUIT, WEIGHTS)(z) - backends.load("noisy", noise=NOISE).bind(CIRCUIT, WEIGHTS)(z)
    assert chip.sent == 2000
    exact = backends.load("noisy", noise=NOISE).bind(CIRCUIT, WEIGHTS)(z)
    expected = float(((1 - exact**2) / 200).mean()) ** 0.5
    # the deviation of 4000 squares is 2 %; five of them
    assert float(error.square().mean().sqrt()) == pytest.approx(expected, rel=0.1)


def test_as_a_surrogate_it_measures_the_grid_alone_and_errs_smoothly() -> None:
    chip, z = Rehearsal(simulated(shots=100_000), "surrogate"), rows()
    read = chip.bind(CIRCUIT, WEIGHTS)
    exact = backends.load("noisy", noise=NOISE).bind(CIRCUIT, WEIGHTS)
    # a standard error is at most 1 / sqrt(shots), and that of the interpolation not much more
    torch.testing.assert_close(read(z), exact(z), rtol=0, atol=6 / 100_000**0.5)
    read(rows(7))
    assert chip.sent == settings(CIRCUIT) == 9
    near = read(z + 1e-4) - read(z)
    assert float(near.abs().max()) < 1e-3  # one polynomial, not two draws


def test_a_mode_that_does_not_exist() -> None:
    with pytest.raises(QftError, match=r"mode=surogate does not exist\. Did you mean 'surrogate'"):
        Rehearsal(simulated(), "surogate")
