"""PennyLane's default.qubit, exact and differentiable by backpropagation: rows are broadcast through one circuit.

A third opinion, and an example of a backend in one file and one yaml (docs/add-a-backend.md).
"""

from typing import Any

import torch
from torch import Tensor

from qft.errors import QftError
from qft.quantum.backends.base import Backend, Readout
from qft.quantum.circuit import Circuit, Gate, Input, Weight

NAMES = {"H": "Hadamard", "X": "PauliX"}  # of gates that PennyLane calls by another name


class PennyLane(Backend):
    """The gates as they are written, CRZ included: no decomposition, no noise."""

    name = "pennylane"
    gradient = "autograd"

    def __init__(self) -> None:
        super().__init__()
        try:
            import pennylane
        except ImportError as error:
            raise QftError(f"backend=pennylane needs the extra: pip install 'qft[pennylane]' ({error}).") from None
        self._qml: Any = pennylane

    def bind(self, circuit: Circuit, weights: Tensor) -> Readout:
        qml = self._qml

        def measured(inputs: Tensor) -> list[Any]:
            for gate in circuit.gates:
                self._apply(gate, inputs, weights)
            return [qml.expval(qml.PauliZ(q)) for q in range(circuit.qubits)]

        device = qml.device("default.qubit", wires=circuit.qubits)
        run = qml.QNode(measured, device, interface="torch", diff_method="backprop")

        def read(inputs: Tensor) -> Tensor:
            self.count(inputs.shape[-1])
            return torch.stack(list(run(inputs))).to(inputs)  # it computes in complex128

        return read

    def _apply(self, gate: Gate, inputs: Tensor, weights: Tensor) -> None:
        operation = vars(self._qml)[NAMES.get(gate.name, gate.name)]
        match gate.angle:
            case None:
                operation(wires=gate.qubits)
            case Input(k):
                operation(inputs[k], wires=gate.qubits)
            case Weight(k):
                operation(weights[k], wires=gate.qubits)
            case angle:
                operation(angle, wires=gate.qubits)


BACKEND = PennyLane
