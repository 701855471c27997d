"""A state vector in plain differentiable torch, and shift-rule gradients of the numpy reference."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from qft.quantum import reference
from qft.quantum.circuit import Circuit, Gate, Input, Weight


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
