"""The compiled circuit against torch's operations: 1e-12 in float64, some 1e3 roundings of 1e-16 a row."""

import numpy as np
import pytest
import torch
from plain import dense

from qft.errors import QftError
from qft.quantum import ansatz
from qft.quantum.backends.statevector import Statevector, by_torch
from qft.quantum.circuit import Circuit, Gate, Input, Weight
from qft.quantum.native import layer, library
from qft.quantum.native.program import program

if library.find(1, torch.float32).function is None:
    pytest.skip("needs a C++ compiler", allow_module_level=True)

ENCODING = tuple(Gate("RY", (q,), Input(q)) for q in range(3))


def random_circuit(seed: int, size: int = 16) -> Circuit:
    """Gates the kernel knows on 3 qubits: inputs in between, constants, weights used twice, qubits that start late."""
    rng = np.random.default_rng(seed)
    gates = [Gate("RY", (0,), Input(0))]
    for name in rng.choice(["RY", "RY", "RZ", "CRZ", "CZ"], size):
        on = tuple(int(q) for q in rng.permutation(3)[: 2 if name in ("CRZ", "CZ") else 1])
        angles = [Weight(int(rng.integers(5))), float(rng.uniform(-4, 4)), Input(int(rng.integers(2)))]
        angle = angles[int(rng.integers(3 if name == "RY" else 2))]
        gates.append(Gate(str(name), on, None if name == "CZ" else angle))
    return Circuit(3, tuple(gates))


CIRCUITS = {
    "qwthn-1": ansatz.qwthn(1, 2),
    "qwthn-2": ansatz.qwthn(2, 2),
    "qwthn-4": ansatz.qwthn(4),
    "qwthn-4-flat": ansatz.qwthn(4, 2, entangle=False),
    "qtha-2": ansatz.qtha(2, 3, order="ry_first"),
    "qtha-4-once": ansatz.qtha(4, 2, encode="once"),
    "nothing after the encoding": Circuit(3, ENCODING),
    **{f"random-{seed}": random_circuit(seed) for seed in range(6)},
}


def case(circuit, rows, dtype=torch.float64, spread=2.0):
    g = torch.Generator().manual_seed(0)
    draw = lambda *shape: torch.randn(*shape, generator=g, dtype=torch.float64)  # noqa: E731
    z, w = draw(circuit.num_inputs, rows) * spread, draw(circuit.num_weights)
    return z.to(dtype).requires_grad_(), w.to(dtype).requires_grad_(), draw(circuit.qubits, rows).to(dtype)


def read(circuit, w):
    out = layer.bind(circuit, w, by_torch)
    assert out is not None
    return out


@pytest.mark.parametrize("circuit", CIRCUITS.values(), ids=CIRCUITS)
def test_values_and_gradients_are_those_of_torch(circuit):
    z, w, upstream = case(circuit, rows=37)  # no multiple of a vector
    expected, found = by_torch(circuit, w)(z), read(circuit, w)(z)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(found[:, :2].detach(), dense(circuit, z[:, :2], w), rtol=0, atol=1e-12)
    wanted = [t for t in (z, w) if t.numel()]
    for a, b in zip(
        torch.autograd.grad(found, wanted, upstream, allow_unused=True),
        torch.autograd.grad(expected, wanted, upstream, allow_unused=True),
    ):
        torch.testing.assert_close(a, torch.zeros_like(a) if b is None else b, rtol=0, atol=37 * 1e-12)


@pytest.mark.parametrize("name", ["qwthn-4", "qtha-4-once"])
def test_float32_is_float64_to_rounding(name):
    """Some 100 roundings of 6e-8 a row; gradients of weights are sums over 1000 rows."""
    circuit = CIRCUITS[name]
    z, w, upstream = case(circuit, 1000, torch.float32)
    out = read(circuit, w)(z)
    exact = [t.detach().double().requires_grad_() for t in (z, w)]
    expected = by_torch(circuit, exact[1])(exact[0])
    assert out.dtype == torch.float32
    torch.testing.assert_close(out.double(), expected, rtol=0, atol=3e-6)
    grads = torch.autograd.grad(out, (z, w), upstream)
    wanted = torch.autograd.grad(expected, exact, upstream.double())
    for a, b, atol in zip(grads, wanted, (1e-5, 1e-3)):
        torch.testing.assert_close(a.double(), b, rtol=0, atol=atol)


@pytest.mark.parametrize("dtype, atol", [(torch.float32, 1e-6), (torch.float64, 1e-14)])
def test_angles_may_be_of_any_size(dtype, atol):
    """One qubit gives cos z: exact sines of small angles, the C library's of large ones, NaN of what is no number."""
    circuit = Circuit(1, (Gate("RY", (0,), Input(0)),))
    z = torch.tensor([0.0, -0.0, 1e-30, 3.14159265, -1.5707963, 100.5, -4000.0, 9e4, 3e5, -1e9, 1e30], dtype=dtype)
    w = torch.zeros(0, dtype=dtype)
    torch.testing.assert_close(read(circuit, w)(z[None])[0].double(), z.double().cos(), rtol=0, atol=atol)
    odd = torch.tensor([[float("nan"), float("inf"), 1.0]], dtype=dtype)
    out = read(circuit, w)(odd)[0]
    assert out.isnan().tolist() == [True, True, False]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_row_does_not_depend_on_its_neighbours_nor_weights_on_the_number_of_threads(dtype):
    circuit = CIRCUITS["qtha-2"]
    z, w, upstream = case(circuit, 1000, dtype)
    grads = torch.autograd.grad(read(circuit, w)(z), (z, w), upstream)
    torch.set_num_threads(3)
    try:
        again = torch.autograd.grad(read(circuit, w)(z), (z, w), upstream)
    finally:
        torch.set_num_threads(1)
    assert all(map(torch.equal, grads, again))
    part = slice(301, 310)
    own = read(circuit, w)(z[:, part])
    assert torch.equal(own, read(circuit, w)(z)[:, part])
    assert torch.equal(torch.autograd.grad(own, z, upstream[:, part])[0][:, part], grads[0][:, part])
    with torch.no_grad():
        assert torch.equal(read(circuit, w)(z)[:, part], own)


@pytest.mark.parametrize("rows", [0, 1, 8, 256, 257, 513])
def test_any_number_of_rows_in_any_order_of_memory(rows):
    circuit = CIRCUITS["qwthn-4"]
    z, w, upstream = case(circuit, rows)
    turned = z.detach().T.contiguous().T.requires_grad_()
    found = torch.autograd.grad(read(circuit, w)(turned), (turned, w), upstream.T.contiguous().T)
    expected = torch.autograd.grad(by_torch(circuit, w)(z), (z, w), upstream)
    for a, b in zip(found, expected):
        torch.testing.assert_close(a, b, rtol=0, atol=(rows + 1) * 1e-12)
    (spread,) = torch.autograd.grad(read(circuit, w)(z).sum(), w)  # an upstream gradient without memory of its own
    (wanted,) = torch.autograd.grad(by_torch(circuit, w)(z).sum(), w)
    torch.testing.assert_close(spread, wanted, rtol=0, atol=(rows + 1) * 1e-12)


def test_numbers_that_torch_negates_lazily():
    circuit = CIRCUITS["qwthn-2"]
    z, w, _ = case(circuit, rows=4)
    lazy = torch.view_as_real(torch.complex(z.detach(), -z.detach()).conj().resolve_conj())[..., 1]
    negated = torch.complex(z.detach(), -z.detach()).conj().imag
    assert negated.is_neg() and torch.equal(negated, lazy)
    torch.testing.assert_close(read(circuit, w)(negated), read(circuit, w)(lazy), rtol=0, atol=1e-12)


def test_gradcheck_once_and_twice():
    circuit = CIRCUITS["random-0"]
    z, w, _ = case(circuit, rows=3)
    run = lambda z, w: read(circuit, w)(z)  # noqa: E731
    assert torch.autograd.gradcheck(run, (z, w))
    assert torch.autograd.gradgradcheck(run, (z, w))


def test_only_the_gradients_asked_for():
    circuit = CIRCUITS["qwthn-2"]
    z, w, _ = case(circuit, rows=5)
    both = torch.autograd.grad(read(circuit, w)(z).sum(), (z, w))
    assert torch.equal(torch.autograd.grad(read(circuit, w.detach())(z).sum(), z)[0], both[0])
    assert torch.equal(torch.autograd.grad(read(circuit, w)(z.detach()).sum(), w)[0], both[1])
    first = torch.autograd.grad(read(circuit, w.detach())(z).sum(), z, create_graph=True)[0]
    assert first.requires_grad


def test_what_torch_traces_is_computed_by_torch():
    circuit = CIRCUITS["qwthn-2"]
    z, w, _ = case(circuit, rows=4)
    w = w.detach()
    kernel = read(circuit, w)
    many = torch.func.vmap(lambda one: kernel(one[:, None])[:, 0], in_dims=1, out_dims=1)(z.detach())
    torch.testing.assert_close(many, kernel(z.detach()), rtol=0, atol=1e-12)
    jacobian = torch.func.jacfwd(lambda one: kernel(one[:, None])[:, 0])(z.detach()[:, 0])
    assert jacobian.shape == (2, 2) and jacobian.abs().max() > 0


@pytest.mark.parametrize(
    "circuit",
    [
        Circuit(1, (Gate("RY", (0,), Input(0)), Gate("H", (0,)))),
        Circuit(2, (*ENCODING[:2], Gate("CNOT", (0, 1)))),
        Circuit(1, (Gate("RY", (0,), Input(0)), Gate("RZ", (0,), Input(0)))),
        Circuit(1, (Gate("RY", (0,), Input(16)),)),
        Circuit(1, (Gate("RY", (0,), Weight(0)),)),
    ],
)
def test_other_circuits_are_left_to_torch(circuit):
    assert program(circuit) is None
    assert layer.bind(circuit, torch.zeros(circuit.num_weights), by_torch) is None


def test_other_types_and_devices_are_left_to_torch():
    circuit = CIRCUITS["qwthn-2"]
    assert layer.bind(circuit, torch.zeros(8, dtype=torch.bfloat16), by_torch) is None
    assert layer.bind(circuit, torch.zeros(8, device="meta"), by_torch) is None


def test_the_backend_uses_it_unless_told_otherwise_and_says_so():
    circuit = CIRCUITS["qwthn-2"]
    z, w, _ = case(circuit, rows=4)
    chosen = {kernel: Statevector(kernel) for kernel in (None, True, False)}
    results = {kernel: backend.bind(circuit, w)(z) for kernel, backend in chosen.items()}
    assert torch.equal(results[None], results[True]) and torch.equal(results[None], read(circuit, w)(z))
    assert torch.equal(results[False], by_torch(circuit, w)(z))
    assert "-O3" in chosen[None].report()["kernel"] and chosen[False].report() == {"kernel": None}
    unknown = Circuit(1, (Gate("RY", (0,), Input(0)), Gate("H", (0,))))
    assert chosen[None].refusal(unknown) is None and "RY, RZ, CRZ, CZ" in str(chosen[True].refusal(unknown))
    with pytest.raises(QftError, match="null, true or false"):
        Statevector("fast")
