"""Every control of QWTHN and QTHA does what it promises, and nothing else."""

import pytest
import torch
from sizes import shapes_of
from torch.nn.functional import linear, silu

from qft.adapters import QTHAConfig, QWTHNConfig
from qft.quantum import ansatz
from qft.quantum.backends.statevector import Statevector
from qft.quantum.simulators import multilinear
from qft.tensor import mpo

METHODS = {"qwthn": QWTHNConfig, "qtha": QTHAConfig}
SIZES = {"width": 16, "bond_dim": 2}
IN, OUT, R = 24, 16, 4
DEPTH = {"qwthn": {}, "qtha": {"layers": 2}}


@pytest.fixture(params=METHODS)
def method(request):
    return request.param


def build(method, seed=0, **options):
    """A perturbed delta in float64, in evaluation mode."""
    config = METHODS[method](**(SIZES | DEPTH[method] | options))
    generator = torch.Generator().manual_seed(seed)
    delta = config.delta_class(IN, OUT, config, generator).double()
    with torch.no_grad():
        for parameter in delta.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return delta.eval()


def count(method, **options):
    config = METHODS[method](**(SIZES | DEPTH[method] | options))
    formula = config.delta_class.count(IN, OUT, config)
    delta = config.delta_class(IN, OUT, config, None)
    assert formula == sum(p.numel() for p in delta.parameters())
    return formula


def tokens(rows=6):
    return torch.randn(rows, IN, dtype=torch.float64)


def ends(delta, x, fuse):
    """y for tokens x, written out on dense matrices, with ``fuse(z)`` from (t, r) to (t, r) in the middle."""
    if delta.has_mpo:
        z = linear(linear(x, mpo.dense(list(delta.mpo_a))), delta.mlp_a.weight, delta.mlp_a.bias)
        hidden = linear(fuse(z), delta.mlp_b.weight, delta.mlp_b.bias)
        return delta.scale * linear(hidden, mpo.dense(list(delta.mpo_b)))
    z = linear(x, delta.mlp_a.weight, delta.mlp_a.bias)
    return delta.scale * linear(fuse(z), delta.mlp_b.weight, delta.mlp_b.bias)


def joined(method, delta, z, w):
    """The method's fusion of (t, r) and (t, r)."""
    return w * z + z if method == "qwthn" else linear(w, delta.w_q) + linear(z, delta.w_c)


def circuit_of(delta, z):
    return Statevector().bind(delta.circuit, delta.angles)(z.T).T


def same(a, b):
    torch.testing.assert_close(a, b, rtol=0, atol=1e-10)  # some 1e4 products of order 1 in float64


def test_no_mpo_leaves_the_two_factors_of_lora(method):
    delta, x = build(method, mpo=False), tokens()
    assert not any("mpo" in name for name, _ in delta.named_parameters())
    assert (delta.mlp_a.weight.shape, delta.mlp_b.weight.shape) == ((R, IN), (OUT, R))
    same(delta(x), ends(delta, x, lambda z: joined(method, delta, z, circuit_of(delta, z))))
    biases = R + OUT if method == "qwthn" else 0
    rest = {"qwthn": 2 * R, "qtha": 4 * R * 2 + 2 * R * R}[method]
    assert count(method, mpo=False) == R * (IN + OUT) + biases + rest
    config = METHODS[method](mpo=False)
    config.resolve(shapes_of(IN, OUT))
    assert config.width is None and config.notes(shapes_of(IN, OUT)) == []


def test_no_classical_path(method):
    delta, x = build(method, classical_path=False), tokens()
    if method == "qwthn":
        same(delta(x), ends(delta, x, lambda z: circuit_of(delta, z) * z))
    else:
        same(delta(x), ends(delta, x, lambda z: linear(circuit_of(delta, z), delta.w_q)))
    assert count(method) - count(method, classical_path=False) == {"qwthn": 0, "qtha": R * R}[method]


def test_no_quantum_path(method):
    delta, x = build(method, circuit="none"), tokens()
    same(delta(x), ends(delta, x, lambda z: z if method == "qwthn" else linear(z, delta.w_c)))
    weight, bias = delta.matrix()
    assert delta.linear and (bias is None) == (method == "qtha")
    same(delta(x), linear(x, weight, bias))
    assert not delta.is_quantum and delta.circuits() == []
    assert count(method) - count(method, circuit="none") == {"qwthn": 2 * R, "qtha": 4 * R * 2 + R * R}[method]


@pytest.mark.parametrize("classical_path", [True, False])
@pytest.mark.parametrize("plain", [True, False])
def test_constants_in_place_of_the_circuit(method, classical_path, plain):
    delta = build(method, circuit="constants", classical_path=classical_path, mpo=plain)
    x, c = tokens(), delta.constants.expand(6, R)

    def fuse(z):
        if classical_path:
            return joined(method, delta, z, c)
        return c * z if method == "qwthn" else linear(c, delta.w_q)

    same(delta(x), ends(delta, x, fuse))
    assert delta.linear
    same(delta(x), linear(x, *delta.matrix()))
    angles = {"qwthn": 2 * R, "qtha": 4 * R * 2}[method]
    assert count(method) - count(method, circuit="constants") == angles - R


def test_silu_in_place_of_the_circuit(method):
    delta, x = build(method, circuit="silu"), tokens()

    def network(z):
        if method == "qwthn":
            return silu(delta.silu[0] * z + delta.silu[1])
        for matrix in delta.silu:
            z = silu(linear(z, matrix))
        return z

    same(delta(x), ends(delta, x, lambda z: joined(method, delta, z, network(z))))
    assert not delta.linear
    # with the published sizes exactly as many parameters as the circuit
    assert count(method, circuit="silu") == count(method)


def test_the_free_polynomial_holds_the_circuit(method):
    """With the coefficients of a circuit that encodes once it is that circuit."""
    delta, x = build(method, circuit="polynomial"), tokens()
    assert delta.terms.shape == (R, 3**R) and delta.terms.requires_grad
    circuit, weights = ansatz.qtha(R, 2, encode="once"), torch.randn(32, dtype=torch.float64)
    with torch.no_grad():
        delta.terms.copy_(multilinear.coefficients(circuit, weights))
    read = Statevector().bind(circuit, weights)
    same(delta(x), ends(delta, x, lambda z: joined(method, delta, z, read(z.T).T)))
    angles = {"qwthn": 2 * R, "qtha": 4 * R * 2}[method]
    assert count(method, circuit="polynomial") - count(method) == R * 3**R - angles


@pytest.mark.parametrize("circuit", ["constants", "silu", "polynomial"])
def test_what_replaces_the_circuit_starts_at_its_size(method, circuit):
    """Root mean square of w over many starts and z ~ U(-pi, pi), within a factor of 2 of 3^-1/2; SiLU of its input."""
    total = []
    for seed in range(40):
        config = METHODS[method](**SIZES, circuit=circuit)
        delta = config.delta_class(IN, OUT, config, torch.Generator().manual_seed(seed))
        z = torch.rand(R, 50, generator=torch.Generator().manual_seed(seed)).sub(0.5).mul(2 * torch.pi)
        total.append(delta.precompute().read(z).square().mean())
    size = torch.stack(total).mean().sqrt().item()
    assert (0.29 < size < 1.16) if circuit != "silu" else (0.2 < size < 5)


def test_without_entanglement_no_output_sees_another_input(method):
    def crossed(**options):
        delta = build(method, **options)
        z = torch.randn(R, dtype=torch.float64)
        jacobian = torch.autograd.functional.jacobian(lambda z: circuit_of(delta, z.unsqueeze(0))[0], z)
        assert (jacobian.diagonal().abs() > 1e-6).all()
        return (jacobian - jacobian.diagonal().diag()).abs().max()

    assert crossed(entangle=False) < 1e-12
    assert crossed() > 0.01
    # a CRZ left out takes its angle with it
    assert count(method) - count(method, entangle=False) == {"qwthn": R, "qtha": 2 * R * 2}[method]


def test_frozen_angles_are_random_saved_and_stay(method):
    frozen = build(method, seed=1, train_angles=False)
    assert "angles" in frozen.state_dict() and "angles" not in dict(frozen.named_parameters())
    assert frozen.angles.abs().max() > 1 and frozen.angles.std() > 0.5
    assert not torch.equal(frozen.angles, build(method, seed=2, train_angles=False).angles)
    x, before = tokens(), frozen.angles.clone()
    optimizer = torch.optim.AdamW(frozen.parameters(), lr=0.1)
    value = frozen(x)
    value.square().sum().backward()
    optimizer.step()
    assert torch.equal(frozen.angles, before) and not torch.equal(frozen(x), value)
    # otherwise it is the adapter itself
    free = build(method)
    free.load_state_dict(frozen.state_dict())
    torch.testing.assert_close(free(x), frozen(x), rtol=0, atol=0)
    assert count(method) - count(method, train_angles=False) == len(before)


def test_shuffled_outputs_belong_to_other_tokens_in_evaluation_only(method):
    delta, whole, x = build(method, shuffle=True), build(method), tokens(9)
    mixed = torch.randperm(9, generator=torch.Generator().manual_seed(0))
    assert not torch.equal(mixed, torch.arange(9))
    expected = ends(whole, x, lambda z: joined(method, whole, z, circuit_of(whole, z)[mixed]))
    same(delta(x), expected)
    assert torch.equal(delta(x), delta(x))  # seeded
    assert not torch.allclose(delta(x), whole(x))
    same(delta(x[:1]), whole(x[:1]))
    assert torch.equal(delta.train()(x), whole.train()(x))
    assert count(method, shuffle=True) == count(method)
    other = build(method, shuffle=True, init_seed=7)  # the seed of a run decides the order
    assert not torch.allclose(other(x), expected)


@pytest.mark.parametrize(
    "options",
    [
        *({"circuit": c} for c in ("none", "constants", "silu", "polynomial")),
        {"entangle": False},
        {"train_angles": False},
        {"classical_path": False},
    ],
    ids=str,
)
@pytest.mark.parametrize("hidden, kv", [(224, 64), (128, 128), (3584, 512)])
def test_a_control_has_the_sizes_of_the_method(method, options, hidden, kv):
    plain, control = METHODS[method](), METHODS[method](**options)
    plain.resolve(shapes_of(hidden, kv))
    control.resolve(shapes_of(hidden, kv))
    assert (control.width, control.bond_dim) == (plain.width, plain.bond_dim)


def test_ten_qubits_train(method):
    """Beyond the polynomial's eight qubits; the start is zero and every tensor gets a gradient after a step away."""
    config = METHODS[method](**SIZES, r=10, **({"layers": 1} if method == "qtha" else {}))
    delta = config.delta_class(IN, OUT, config, None)
    x = torch.randn(3, IN)
    assert torch.equal(delta(x), torch.zeros(3, OUT))
    with torch.no_grad():
        delta.mpo_b[-1].add_(1)
    delta(x).square().sum().backward()
    assert all(p.grad.isfinite().all() and p.grad.any() for p in delta.parameters())
