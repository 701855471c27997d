"""The response polynomial against the dense reference: 1e-10 in float64, some 1e5 roundings of 1e-16."""

import numpy as np
import pytest
import torch
from plain import check_by_shift, dense, shift_gradients

from qft.quantum import ansatz, reference
from qft.quantum.circuit import GATES, Circuit, Gate, Input, Weight
from qft.quantum.simulators import multilinear

TOLERANCE = 1e-10


def random_circuit(qubits: int, seed: int, size: int = 14) -> Circuit:
    """An encoding layer in mixed order, then random gates of every kind; some weights are used twice."""
    rng = np.random.default_rng(seed)
    gates = [Gate("RY", (int(q),), Input(int(q))) for q in rng.permutation(qubits)]
    usable = [n for n, (m, _) in GATES.items() if m <= qubits]
    for name in [*usable, *rng.choice(usable, size - len(usable))]:
        size_, takes_angle = GATES[str(name)]
        on = tuple(int(q) for q in rng.permutation(qubits)[:size_])
        angle = [Weight(int(rng.integers(5))), float(rng.uniform(-4, 4))][int(rng.random() < 0.3)]
        gates.append(Gate(str(name), on, angle if takes_angle else None))
    return Circuit(qubits, tuple(gates))


CIRCUITS = {f"qwthn-{r}-{b}": ansatz.qwthn(r, b) for r in range(1, 6) for b in range(1, 4)}
CIRCUITS |= {f"random-{r}-{s}": random_circuit(r, s) for r in range(1, 5) for s in range(3)}


def angles(circuit: Circuit, rows: int, dtype=torch.float64, seed: int = 0):
    g = torch.Generator().manual_seed(seed)
    z = torch.randn(circuit.qubits, rows, generator=g, dtype=torch.float64).mul(2).to(dtype)
    w = torch.rand(circuit.num_weights, generator=g, dtype=torch.float64).sub(0.5).mul(6.2).to(dtype)
    return z.requires_grad_(), w.requires_grad_()


@pytest.mark.parametrize("circuit", CIRCUITS.values(), ids=CIRCUITS)
def test_values_and_gradients_equal_the_dense_reference(circuit):
    z, w = angles(circuit, rows=2)
    out = multilinear.evaluate(multilinear.coefficients(circuit, w), z)
    torch.testing.assert_close(out.detach(), dense(circuit, z, w), rtol=0, atol=TOLERANCE)
    check_by_shift(circuit, z, w, out, TOLERANCE)


@pytest.mark.parametrize("qubits", [1, 3, 4])
@pytest.mark.parametrize("inference", [False, True])
def test_few_rows_without_gradients_give_the_same(qubits, inference):
    circuit = ansatz.qwthn(qubits)
    z, w = angles(circuit, rows=3)
    coefficients = multilinear.coefficients(circuit, w).detach()
    with torch.inference_mode(inference):
        few = multilinear.evaluate(coefficients, z.detach())
    torch.testing.assert_close(few.clone(), dense(circuit, z, w), rtol=0, atol=TOLERANCE)
    many = multilinear.evaluate(coefficients, z.detach().repeat(1, 60_000 // 3**qubits + 1).clone())
    torch.testing.assert_close(many[:, :3], few.clone(), rtol=0, atol=TOLERANCE)


def test_the_shift_rules_agree_with_central_differences():
    """Step 1e-5: truncation (third derivative <= 1) 2e-11, rounding 1e-16 / 1e-5 = 1e-11; 1e-9 leaves room."""
    circuit = ansatz.qwthn(3, 2)
    z, w = (a.detach().numpy() for a in angles(circuit, rows=1))
    by_input, by_weight = shift_gradients(circuit, z[:, 0], w)
    for k in range(3 + len(w)):
        step = np.eye(3 + len(w))[k] * 1e-5
        up = reference.expectation_z(circuit, z[:, 0] + step[:3], w + step[3:])
        down = reference.expectation_z(circuit, z[:, 0] - step[:3], w - step[3:])
        exact = by_input[:, k] if k < 3 else by_weight[:, k - 3]
        np.testing.assert_allclose((up - down) / 2e-5, exact, rtol=0, atol=1e-9)


def test_leading_axes_are_a_batch_of_circuits():
    circuit = random_circuit(3, seed=9)
    w = torch.randn(2, 4, circuit.num_weights, dtype=torch.float64)
    batched = multilinear.coefficients(circuit, w)
    assert batched.shape == (2, 4, 3, 27)
    for i in range(2):
        for j in range(4):
            torch.testing.assert_close(batched[i, j], multilinear.coefficients(circuit, w[i, j]), rtol=0, atol=1e-14)


@pytest.mark.parametrize("qubits", [1, 2, 3, 5])
def test_gradcheck(qubits):
    circuit = ansatz.qwthn(qubits, 2)
    z, w = angles(circuit, rows=3)
    assert torch.autograd.gradcheck(lambda w, z: multilinear.evaluate(multilinear.coefficients(circuit, w), z), (w, z))


def test_only_the_gradients_asked_for_are_needed():
    circuit = ansatz.qwthn(3)
    z, w = angles(circuit, rows=2)
    both = torch.autograd.grad(multilinear.evaluate(multilinear.coefficients(circuit, w), z).sum(), (z, w))
    (only_z,) = torch.autograd.grad(multilinear.evaluate(multilinear.coefficients(circuit, w.detach()), z).sum(), z)
    (only_w,) = torch.autograd.grad(multilinear.evaluate(multilinear.coefficients(circuit, w), z.detach()).sum(), w)
    assert torch.equal(only_z, both[0]) and torch.equal(only_w, both[1])


@pytest.mark.parametrize("name", ["qwthn-4-1", "qwthn-5-3", "random-4-0"])
def test_float32_is_float64_to_rounding(name):
    """Some tens of products of numbers up to 1 with 6e-8 each, over at most 3^5 terms: 1e-5 is ample, bf16 fails."""
    circuit = CIRCUITS[name]
    z, w = (a.detach() for a in angles(circuit, rows=50, dtype=torch.float32))
    out = multilinear.evaluate(multilinear.coefficients(circuit, w), z)
    assert out.dtype == torch.float32
    torch.testing.assert_close(out.double(), dense(circuit, z.double(), w.double()), rtol=0, atol=1e-5)


def test_crz_before_the_readout_has_exactly_no_effect():
    circuit = ansatz.qwthn(3)
    longer = Circuit(3, (*circuit.gates, Gate("CRZ", (0, 1), Weight(6)), Gate("CRZ", (2, 0), Weight(7))))
    w = torch.randn(8, dtype=torch.float64, requires_grad=True)
    c = multilinear.coefficients(longer, w)
    assert torch.equal(c, multilinear.coefficients(circuit, w[:6]))
    (grad,) = torch.autograd.grad((c * torch.randn_like(c)).sum(), w)
    assert torch.equal(grad[6:], torch.zeros(2, dtype=torch.float64))
    assert grad[:6].abs().max() > 0


def test_with_all_angles_zero_every_crz_gradient_is_exactly_zero():
    circuit = ansatz.qwthn(4, 2)
    crz = [g.angle.index for g in circuit.gates if g.name == "CRZ"]
    z, _ = angles(circuit, rows=20)
    w = torch.zeros(circuit.num_weights, dtype=torch.float64, requires_grad=True)
    (grad,) = torch.autograd.grad((multilinear.evaluate(multilinear.coefficients(circuit, w), z) ** 2).sum(), w)
    assert len(crz) == 8 and torch.equal(grad[crz], torch.zeros(8, dtype=torch.float64))
    others = [k for k in range(circuit.num_weights) if k not in crz]
    assert (grad[others] != 0).all()


def test_what_is_not_multilinear_is_refused():
    encoding = tuple(Gate("RY", (q,), Input(q)) for q in range(2))
    again = Circuit(2, (*encoding, Gate("RZ", (0,), Input(0))))
    bare = Circuit(2, (Gate("RY", (0,), Weight(0)), Gate("RY", (1,), Input(1))))
    crossed = Circuit(2, (Gate("RY", (0,), Input(1)), Gate("RY", (1,), Input(0))))
    late = Circuit(2, (Gate("H", (0,)), *encoding))
    for circuit, reason in [(again, "again"), (bare, "begin"), (crossed, "begin"), (late, "begin")]:
        with pytest.raises(ValueError, match=reason):
            multilinear.coefficients(circuit, torch.zeros(circuit.num_weights))
    with pytest.raises(ValueError, match="at most 8"):
        multilinear.coefficients(ansatz.qwthn(9), torch.zeros(18))
