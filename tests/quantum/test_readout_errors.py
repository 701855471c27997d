"""Read-outs of a chip beside ideal ones, against what the noise model says of them."""

import pytest
import torch

from qft.quantum import ansatz, backends
from qft.quantum.readout_errors import Compared, ReadoutErrors


def test_wrong_readings_alone_shrink_and_shift_every_read_out() -> None:
    """Bit 0 read as 1 with a, 1 as 0 with b: w = (1 - a - b) v + (b - a)."""
    circuit, a, b = ansatz.qwthn(3), 0.05, 0.11
    weights = torch.rand(circuit.num_weights, dtype=torch.float64)
    z = torch.rand(3, 50, dtype=torch.float64) * 6 - 3
    ideal, errors = backends.load("statevector"), ReadoutErrors()
    chip = backends.load("noisy", noise={"readout": [[1 - a, a], [b, 1 - b]]})
    read = Compared(chip, ideal, errors).bind(circuit, weights)
    out = torch.cat([read(z[:, :20]), read(z[:, 20:])], 1)
    v = ideal.bind(circuit, weights)(z)
    expected = (1 - a - b) * v + b - a
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-12)
    assert errors.readouts == v.numel()
    assert errors.error == pytest.approx(float((expected - v).square().mean().sqrt()), rel=1e-9)
    assert errors.slope == pytest.approx(float((expected * v).sum() / v.square().sum()), rel=1e-9)
    assert errors.shot_error(100) == pytest.approx(float(((1 - expected**2).mean() / 100).sqrt()), rel=1e-9)


def test_a_circuit_that_always_reads_0_has_no_slope() -> None:
    errors = ReadoutErrors()
    errors.add(torch.tensor([[0.1]]), torch.tensor([[0.0]]))
    assert errors.slope is None and errors.error == pytest.approx(0.1)
