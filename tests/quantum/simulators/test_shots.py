"""Shots follow the distribution they are drawn from, jointly over all outcomes."""

import pytest
import torch

from qft.quantum.simulators.shots import frequencies


def test_frequencies_follow_the_distribution():
    p = torch.tensor([0.0, 0.5, 0.125, 0.0, 0.3, 0.075, 0.0, 0.0], dtype=torch.float64).unsqueeze(1).repeat(1, 4000)
    shares = frequencies(p, 100, torch.Generator().manual_seed(0)) * 100
    counts = shares.round()
    torch.testing.assert_close(shares, counts, rtol=0, atol=1e-12)
    assert torch.equal(counts.sum(0), torch.full((4000,), 100.0, dtype=torch.float64))
    assert (counts[p == 0] == 0).all()
    error = (counts.mean(1) - 100 * p[:, 0]).abs() / (100 * p[:, 0] * (1 - p[:, 0]) / 4000).sqrt().clamp_min(1e-9)
    assert error.max() < 5
    covariance = torch.cov(counts)[1, 4]  # of a multinomial: -N p q
    assert covariance.item() == pytest.approx(-100 * 0.5 * 0.3, rel=0.15)
