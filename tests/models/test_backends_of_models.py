"""What is refused before a backend is put into a model, and what it is told."""

import logging

import pytest
import tiny
import torch
from peft import LoraConfig, get_peft_model

from qft.adapters import METHODS, methods
from qft.errors import QftError
from qft.models import inject
from qft.quantum.backends.base import Backend
from qft.quantum.backends.noisy import Noisy
from qft.quantum.backends.statevector import Statevector

QWTHN = {"_target_": "qft.adapters.qwthn.QWTHNConfig", "name": "qwthn"}
QTHA = {"_target_": "qft.adapters.qtha.QTHAConfig", "name": "qtha"}
LORA = {"_target_": "peft.LoraConfig", "name": "lora"}


class Silent(Backend):
    """A machine that evaluates and is not differentiated."""

    name = "silent"

    def bind(self, circuit, weights):
        return lambda z: torch.zeros(circuit.qubits, z.shape[1])


def test_a_backend_without_gradient_trains_nothing_and_says_what_does():
    with pytest.raises(
        QftError, match=r"backend=silent gives no gradient.*backend=statevector.*qft eval backend=silent"
    ):
        methods.of(QWTHN).check_backend(Silent(), 32, training=True)
    methods.of(QWTHN).check_backend(Silent(), 32)
    methods.of(LORA).check_backend(Silent(), 32, training=True)  # it has no circuit to differentiate


def test_a_circuit_too_large_is_refused_before_anything_is_loaded():
    methods.of({**QTHA, "r": 6}).check_backend(Noisy(), 32, training=True)
    with pytest.raises(QftError, match=r"backend=noisy cannot run this circuit: 7 qubits.*at most 6"):
        methods.of({**QTHA, "r": 7}).check_backend(Noisy(), 32, training=True)
    methods.of({**QTHA, "r": 7}).check_backend(Statevector(), 32, training=True)
    methods.of({**QTHA, "r": 7, "circuit": "silu"}).check_backend(Noisy(), 32)


def test_amplitude_encoding_is_refused_before_anything_is_loaded():
    qaa = {"_target_": "qft.adapters.qaa.QAAConfig", "name": "qaa"}
    methods.of(qaa).check_backend(Statevector(), 100, training=True)
    methods.of(qaa).check_backend(Noisy(), 100, training=True)
    with pytest.raises(QftError, match=r"7 qubits' amplitudes.*backend=silent does not"):
        methods.of(qaa).check_backend(Silent(), 100, training=True)


def test_a_model_with_a_larger_circuit_than_the_backend_takes_is_refused():
    config = METHODS["qtha"](r=7, width=8, bond_dim=2, cores=3, layers=2, task_type="CAUSAL_LM")
    model = get_peft_model(tiny.build("llama"), config)
    with pytest.raises(QftError, match="at most 6"):
        inject.set_backend(model, Noisy())


def test_a_backend_that_changes_nothing_is_told(caplog):
    model = get_peft_model(tiny.build("llama"), LoraConfig(task_type="CAUSAL_LM"))
    with caplog.at_level(logging.WARNING):
        inject.set_backend(model, Statevector())
        assert not caplog.records
        inject.set_backend(model, Noisy())
    assert "no circuit, so backend=noisy changes nothing" in caplog.text


@pytest.mark.parametrize("shots", [None, 200])
def test_training_goes_through_the_noise(shots):
    """A step on a tiny model changes circuit angles; their gradient is that of the noisy circuit."""
    config = METHODS["qwthn"](r=2, width=8, bond_dim=2, init_seed=0, task_type="CAUSAL_LM")
    model = get_peft_model(tiny.build("llama"), config)
    with torch.no_grad():
        for parameter in (p for p in model.parameters() if p.requires_grad):
            parameter.add_(torch.randn(parameter.shape) / 2)
    ids = tiny.tokens()

    def gradients(backend):
        inject.set_backend(model, backend)
        model.zero_grad()
        model(ids, labels=ids).loss.backward()
        return torch.cat([p.grad.flatten() for n, p in model.named_parameters() if n.endswith("angles")])

    ideal = gradients(Statevector())
    noisy = gradients(Noisy({"p1": 0.02, "p2": 0.2}, shots=shots))
    quiet = gradients(Noisy({"p1": 0.02, "p2": 0.2}, scale=0))
    assert (noisy != 0).all() and noisy.norm() < ideal.norm() * (0.9 if shots is None else 2)
    torch.testing.assert_close(quiet, ideal, rtol=1e-3, atol=1e-6)
