"""Aer's simulators beside ours: one noisy chip, two programs that know nothing of each other."""

import sys

import pytest
import torch
from noisy_chips import CIRCUITS, NOISE, case

from qft.errors import QftError
from qft.quantum import ansatz
from qft.quantum.backends.aer import Aer
from qft.quantum.backends.noisy import Noisy


@pytest.mark.parametrize("noise", NOISE)
@pytest.mark.parametrize("name", CIRCUITS)
def test_exact_values_agree_to_1e_9(name, noise):
    circuit, z, w = case(name, rows=3)
    ours, theirs = (backend(NOISE[noise], scale=0.5).bind(circuit, w)(z) for backend in (Noisy, Aer))
    torch.testing.assert_close(theirs, ours, rtol=0, atol=1e-9)


@pytest.mark.parametrize("noise", ["ideal", "all"])
def test_shots_lie_within_five_standard_errors(noise):
    circuit, z, w = case("qwthn", rows=20)
    exact = Noisy(NOISE[noise]).bind(circuit, w)(z)
    sampled = Aer(NOISE[noise], shots=4000, seed=1).bind(circuit, w)(z)
    error = (sampled - exact).abs() / ((1 - exact**2) / 4000).sqrt()
    assert 2 < error.max() < 5  # of 80 values the worst is hardly ever closer than two


def test_rows_in_several_chunks_are_the_rows(monkeypatch):
    circuit, z, w = case("qtha", rows=40)
    whole = Aer(NOISE["all"]).bind(circuit, w)(z)
    monkeypatch.setitem(sys.modules["qft.quantum.backends.aer"].AT_ONCE, "cpu", 1)
    torch.testing.assert_close(Aer(NOISE["all"]).bind(circuit, w)(z), whole, rtol=0, atol=0)
    seeded = Aer(shots=100, seed=2).bind(circuit, w)
    assert not torch.equal(seeded(z[:, :1].repeat(1, 40)), seeded(z[:, :1].repeat(1, 40)))


def test_without_qiskit_aer_a_sentence_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "qiskit_aer", None)
    with pytest.raises(QftError, match=r"pip install 'qft\[aer\]'"):
        Aer()


def test_shots_below_one_are_refused():
    with pytest.raises(QftError, match="shots=0"):
        Aer(shots=0)


def test_a_circuit_too_wide_for_the_memory_is_refused():
    assert "qubits, and Aer has memory for" in (Aer().refusal(ansatz.qwthn(60)) or "")
