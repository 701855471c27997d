"""APC against its circuit gate by gate, the functions it can be, and what it refuses."""

import numpy as np
import pytest
import tiny
import torch
from deltas import BASE_4M, QWEN2_7B, moved, total
from peft import get_peft_model

from qft.adapters import APCConfig
from qft.errors import QftError
from qft.quantum import ansatz, reference
from qft.quantum.backends.noisy import Noisy


@pytest.mark.parametrize(
    "options, shapes, expected",
    [
        ({}, QWEN2_7B, 326_144),
        ({}, BASE_4M, 10_240),
        ({"layers": 6}, BASE_4M, 14_080),
        ({}, [(768, 3352)] * 24 + [(1536, 768)] * 24, 261_120),  # in_proj, out_proj of Mamba2-130m
    ],
    ids=["7B", "4M", "4M, six layers", "Mamba2"],
)
def test_counts(options, shapes, expected):
    assert total(APCConfig(**options), shapes) == expected


def test_the_circuit_has_the_gates_that_are_stated():
    circuit = ansatz.apc(12, 4)
    names = [gate.name for gate in circuit.gates]
    assert (circuit.num_weights, names.count("CNOT")) == (1728, 576)


def gate_by_gate(x, delta):
    """z by the textbook matrices of the reference, applied to the amplitudes of one token."""
    n = delta.n
    psi = np.zeros(2**n, dtype=complex)
    psi[: len(x)] = x / np.linalg.norm(x)
    psi = psi.reshape((2,) * n)
    angles = delta.angles.detach().numpy().ravel()
    for gate in ansatz.apc(n, delta.layers).gates:
        m = len(gate.qubits)
        angle = 0.0 if gate.angle is None else angles[gate.angle.index]
        u = reference.gate_matrix(gate.name, angle).reshape((2,) * (2 * m))
        psi = np.moveaxis(np.tensordot(u, psi, axes=(range(m, 2 * m), gate.qubits)), range(m), gate.qubits)
    p = np.abs(psi) ** 2
    values = [np.subtract(*p.sum(axis=tuple(a for a in range(n) if a != q))) for q in range(n)]
    return np.array(values[-delta.r :])


@pytest.mark.parametrize(
    "features, options",
    [(6, {}), (16, {"layers": 1}), (33, {"layers": 2, "r": 3}), (2, {}), (5, {"r": 4}), (70, {"start": "published"})],
    ids=str,
)
def test_it_equals_the_circuit_gate_by_gate(features, options):
    delta = moved(APCConfig(**options), features, 5)
    x = torch.randn(4, features, dtype=torch.float64)
    b = delta.b.detach().numpy()
    scale = 1 if options.get("start") else 2
    expected = scale * np.stack([gate_by_gate(row, delta) for row in x.numpy()]) @ b.T
    # 1e-12: some hundred products of order 1 with 1e-16 each
    np.testing.assert_allclose(delta(x).detach().numpy(), expected, rtol=0, atol=1e-12)
    with torch.no_grad():
        np.testing.assert_allclose(delta(x).numpy(), expected, rtol=0, atol=1e-12)
    single = delta.float()(x.float()).detach().numpy()
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected, rtol=0, atol=1e-4)


def test_it_is_pennylanes_circuit():
    """<Z> of the last two qubits, from AmplitudeEmbedding and StronglyEntanglingLayers on each pair (0.45.1)."""
    config = APCConfig(layers=2, alpha=2.0)
    delta = config.delta_class(6, 2, config, None).double()
    with torch.no_grad():
        delta.angles.copy_(
            0.05 * torch.arange(1, 49, dtype=torch.float64).view(4, 12)
        )  # pairs (0,1), (0,1), (1,2), (0,2) of 3 qubits
        delta.b.copy_(torch.eye(2))
    z = delta(torch.tensor([[1.0, -2, 3, 4, -5, 6]], dtype=torch.float64))
    expected = torch.tensor([[0.382159516343, 0.158520074262]], dtype=torch.float64)
    torch.testing.assert_close(z, expected, rtol=0, atol=1e-11)


def test_it_is_even_and_does_not_see_the_length():
    delta = moved(APCConfig(), 11, 5).float()
    x = torch.randn(3, 11)
    assert delta(x).abs().max() > 0.01
    assert torch.equal(delta(-x), delta(x))
    for scale in (1e-30, 1e-15, 1e15, 1e30):  # squares of these leave the range of float32
        torch.testing.assert_close(delta(x * scale), delta(x), rtol=0, atol=1e-5)


def test_a_zero_vector_gives_zero_and_finite_gradients():
    delta = moved(APCConfig(), 6, 5).float()
    x = torch.randn(3, 6)
    x[1] = 0
    x.requires_grad_()
    out = delta(x)
    assert torch.equal(out[1], torch.zeros(5)) and out[0].any()
    out.sum().backward()
    assert all(p.grad.isfinite().all() for p in (x, *delta.parameters()))


def test_the_starts():
    generators = (torch.Generator().manual_seed(1) for _ in range(2))
    zero, published = (
        APCConfig(start=s).delta_class(224, 32, APCConfig(start=s), g)
        for s, g in zip(("zero", "published"), generators, strict=True)
    )
    assert not zero.b.any() and torch.equal(zero.angles, published.angles)
    bound = (6 / (32 + 24)) ** 0.5  # Xavier's, on (pairs, 6 L)
    assert 0.95 * bound < zero.angles.abs().max() <= bound
    assert 0.6 < published.b.abs().max() <= 2**-0.5
    assert published(torch.randn(2, 224)).any() and published.scale == 1 and zero.scale == 2
    zero(torch.randn(2, 224)).sum().backward()
    assert zero.b.grad.any() and not zero.angles.grad.any()


def test_the_circuits_are_counted():
    delta = moved(APCConfig(), 8, 5)
    delta(torch.randn(2, 3, 8))
    assert delta.backend.evaluations == 6


@pytest.mark.parametrize("backend", [Noisy(), Noisy(shots=100)], ids=["noise", "shots"])
def test_a_backend_that_would_encode_each_token_is_refused(backend):
    with pytest.raises(QftError, match=r"amplitudes of 10 qubits, about 1,024 CNOTs: backend=noisy does not"):
        APCConfig().check_backend(backend, 768)
    with pytest.raises(QftError, match="amplitudes of 3 qubits"):
        moved(APCConfig(), 8, 5).set_backend(backend)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"r": 17}, "r=17.*at most 16"),
        ({"layers": 0}, "layers=0.*at least 1"),
        ({"start": "zeros"}, "start=zeros does not exist.*Did you mean 'zero'"),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(QftError, match=message):
        get_peft_model(tiny.build("qwen2"), APCConfig(**options))


def test_a_layer_that_is_too_wide_is_refused_before_anything_is_drawn():
    with pytest.raises(QftError, match=r"70000 inputs takes 17 qubits; at most 16 are simulated, 65536 inputs"):
        APCConfig().delta_class(70_000, 4, APCConfig(), None)
