"""Slow, obvious simulations: a state vector in differentiable torch, shift rules, a noisy density matrix, hybrids."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import linear, pad

from qft.quantum import reference
from qft.quantum.circuit import GATES, Circuit, Gate, Input, Weight
from qft.quantum.hardware.chip import CZ, bound, to_chip
from qft.quantum.noise import NoiseModel
from qft.tensor import mpo


def expectation_z(circuit: Circuit, inputs: Tensor, weights: Tensor) -> Tensor:
    """<Z_k> (qubits,) for one data vector; every gate is applied as a full 2^n x 2^n matrix."""
    n = circuit.qubits
    psi = torch.zeros(2**n, dtype=torch.complex128)
    psi[0] = 1
    for gate in circuit.gates:
        angle = torch.tensor(0.0, dtype=torch.float64)
        if isinstance(gate.angle, Input):
            angle = inputs[gate.angle.index]
        elif isinstance(gate.angle, Weight):
            angle = weights[gate.angle.index]
        if gate.name == "RY":
            psi = _turn(np.array([[0, -1j], [1j, 0]]), gate.qubits[0], n, angle) @ psi
        elif gate.name == "CRZ":
            bits = np.indices((2,) * n).reshape(n, -1)
            sign = torch.tensor(bits[gate.qubits[0]] * (1 - 2 * bits[gate.qubits[1]]))
            psi = torch.exp(-0.5j * angle * sign) * psi
        else:
            raise NotImplementedError(gate.name)
    probability = (psi.abs() ** 2).reshape((2,) * n)
    out = []
    for q in range(n):
        p = probability.movedim(q, 0).reshape(2, -1).sum(1)
        out.append(p[0] - p[1])
    return torch.stack(out)


def _turn(pauli: np.ndarray, qubit: int, n: int, angle: Tensor) -> Tensor:
    """exp(-i angle pauli / 2) on one qubit, as a matrix on all."""
    whole = np.kron(np.kron(np.eye(2**qubit), pauli), np.eye(2 ** (n - qubit - 1)))
    return torch.cos(angle / 2) * torch.eye(2**n, dtype=torch.complex128) - 1j * torch.sin(angle / 2) * torch.tensor(
        whole, dtype=torch.complex128
    )


def shift_gradients(circuit: Circuit, inputs: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Exact Jacobians (qubits, num_inputs) and (qubits, num_weights) of the dense reference, gate by gate.

    Two terms for a rotation (frequency 1), four for CRZ (frequencies 1/2 and 1).
    """
    values = {Input: inputs, Weight: weights}
    bound = [
        replace(g, angle=float(values[type(g.angle)][g.angle.index])) if isinstance(g.angle, (Input, Weight)) else g
        for g in circuit.gates
    ]
    jacobians = {k: np.zeros((circuit.qubits, len(v))) for k, v in values.items()}
    near, far = (np.sqrt(2) + 1) / (4 * np.sqrt(2)), (np.sqrt(2) - 1) / (4 * np.sqrt(2))
    rules = {"CRZ": [(np.pi / 2, near), (3 * np.pi / 2, -far)]}
    for k, gate in enumerate(circuit.gates):
        if isinstance(gate.angle, (Input, Weight)):
            for shift, factor in rules.get(gate.name, [(np.pi / 2, 0.5)]):
                for sign in (1, -1):
                    moved: list[Gate] = list(bound)
                    moved[k] = replace(bound[k], angle=bound[k].angle + sign * shift)
                    value = reference.expectation_z(Circuit(circuit.qubits, tuple(moved)), inputs, weights)
                    jacobians[type(gate.angle)][:, gate.angle.index] += sign * factor * value
    return jacobians[Input], jacobians[Weight]


def noisy_expectation_z(
    circuit: Circuit, inputs: np.ndarray, weights: np.ndarray, noise: NoiseModel, start: np.ndarray | None = None
) -> np.ndarray:
    """<Z_k> (qubits,) of the chip's circuit as a density matrix, every gate followed by its Kraus matrices.

    ``start``: the state to begin with, (2^n,); None is |0...0>.
    """
    n = circuit.qubits
    psi = np.eye(2**n)[0] if start is None else start
    rho = np.outer(psi, psi.conj()).astype(complex)

    def on_all(matrix: np.ndarray, qubits: tuple[int, ...]) -> np.ndarray:
        m, eye = len(qubits), np.eye(2**n).reshape((2,) * n + (2**n,))
        moved = np.tensordot(matrix.reshape((2,) * (2 * m)), eye, axes=(range(m, 2 * m), qubits))
        return np.moveaxis(moved, range(m), qubits).reshape(2**n, 2**n)

    for op in bound(to_chip(circuit), inputs, weights):
        qubits = op.qubits if isinstance(op, CZ) else (op.qubit,)
        gate = np.diag([1, 1, 1, -1]) if isinstance(op, CZ) else u3(op.theta, op.phi, op.lam)
        u = on_all(gate.astype(complex), qubits)
        rho = u @ rho @ u.conj().T
        errors = [on_all(k, qubits) for k in noise.kraus(len(qubits))]
        rho = sum(k @ rho @ k.conj().T for k in errors)
    p = np.diag(rho).real.reshape((2,) * n)
    out = []
    for q in range(n):
        zero, one = np.moveaxis(p, q, 0).reshape(2, -1).sum(1) @ np.array(noise.confusion())
        out.append(zero - one)
    return np.array(out)


def u3(theta: float, phi: float, lam: float) -> np.ndarray:
    """OpenQASM's U3 (2, 2)."""
    c, s = np.cos(theta / 2), np.sin(theta / 2)
    return np.array([[c, -np.exp(1j * lam) * s], [np.exp(1j * phi) * s, np.exp(1j * (phi + lam)) * c]])


def random_circuit(qubits: int, seed: int, size: int = 16) -> Circuit:
    """Gates of every kind in any order; inputs, weights and numbers as angles, several of them used twice."""
    rng = np.random.default_rng(seed)
    usable = [n for n, (m, _) in GATES.items() if m <= qubits]
    gates = [Gate("RX", (0,), Input(1))]
    for name in [*usable, *rng.choice(usable, size - len(usable))]:
        size_, takes_angle = GATES[str(name)]
        on = tuple(int(q) for q in rng.permutation(qubits)[:size_])
        angle = [Weight(int(rng.integers(4))), Input(int(rng.integers(2))), float(rng.uniform(-4, 4))][rng.integers(3)]
        gates.append(Gate(str(name), on, angle if takes_angle else None))
    return Circuit(qubits, (*gates, Gate("RY", (0,), Weight(4))))


def dense(circuit: Circuit, z: Tensor, w: Tensor) -> Tensor:
    """<Z_k> (qubits, t) of the dense reference for rows z (num_inputs, t)."""
    columns = [reference.expectation_z(circuit, x, w.detach().numpy()) for x in z.detach().numpy().T]
    return torch.tensor(np.array(columns).T)


def check_by_shift(circuit: Circuit, z: Tensor, w: Tensor, out: Tensor, tolerance: float) -> None:
    """The gradients of ``out`` (qubits, t) in z and w are those of the shift rules on the dense reference."""
    upstream = torch.randn(out.shape, dtype=torch.float64)
    grad_z, grad_w = torch.autograd.grad(out, (z, w), upstream)
    expected_w = np.zeros(len(w))
    for t, x in enumerate(z.detach().numpy().T):
        by_input, by_weight = shift_gradients(circuit, x, w.detach().numpy())
        g = upstream[:, t].numpy()
        np.testing.assert_allclose(grad_z[:, t].numpy(), g @ by_input, rtol=0, atol=tolerance)
        expected_w += g @ by_weight
    np.testing.assert_allclose(grad_w.numpy(), expected_w, rtol=0, atol=tolerance)


Fuse = Callable[[Tensor, Callable[[Tensor], Tensor]], Tensor]


def hybrid(delta: Any, config: Any, x: Tensor, fuse: Fuse, circuit_value: Callable[[Tensor], Tensor]) -> Tensor:
    """QWTHN's and QTHA's equations on dense matrices, one token after the other; ``fuse(z, z -> <Z>)`` is o."""
    a, b = mpo.dense(list(delta.mpo_a)), mpo.dense(list(delta.mpo_b))
    out = []
    for token in x:
        hidden = linear(pad(token, (0, a.shape[1] - len(token))), a)[: config.width]
        o = fuse(linear(hidden, delta.mlp_a.weight, delta.mlp_a.bias), circuit_value)
        hidden = linear(o, delta.mlp_b.weight, delta.mlp_b.bias)
        y = linear(pad(hidden, (0, b.shape[1] - config.width)), b)[: delta.out_features]
        out.append(config.scale * y)
    return torch.stack(out)


# 1e-10 in float64: some 1e4 products of order 1 with 1e-16 each
def check_forward(delta: Any, config: Any, fuse: Fuse) -> None:
    """A delta equals its equations, on rows and on rows of rows."""
    x = torch.randn(5, delta.in_features, dtype=torch.float64)

    def circuit_value(z: Tensor) -> Tensor:
        angles = delta.angles.detach().numpy()
        return torch.tensor(reference.expectation_z(delta.circuit, z.detach().numpy(), angles))

    expected = hybrid(delta, config, x, fuse, circuit_value)
    assert expected.abs().max() > 0.01
    torch.testing.assert_close(delta(x), expected, rtol=0, atol=1e-10)
    torch.testing.assert_close(delta(x.reshape(5, 1, -1)).squeeze(1), expected, rtol=0, atol=1e-10)


def check_gradients(delta: Any, config: Any, fuse: Fuse) -> None:
    """The gradients of all parameters and of the input are those of the equations, and none is zero."""
    x = torch.randn(4, delta.in_features, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn(4, delta.out_features, dtype=torch.float64)
    wanted = dict(delta.named_parameters()) | {"x": x}
    slow = hybrid(delta, config, x, fuse, lambda z: expectation_z(delta.circuit, z, delta.angles))
    expected = torch.autograd.grad(slow, tuple(wanted.values()), upstream)
    mine = torch.autograd.grad(delta(x), tuple(wanted.values()), upstream)
    for name, a, b in zip(wanted, mine, expected, strict=True):
        assert b.abs().max() > 0, name
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10, msg=lambda m, n=name: f"{n}: {m}")
