"""Exact, noiseless and differentiable: the response polynomial for one encoding, else the state vector.

A circuit that encodes once on at most 8 qubits is a polynomial whose coefficients are built once a step
(``qft.quantum.simulators.multilinear``); re-uploading circuits and wider ones run as a batched state vector
(``qft.quantum.simulators.statevector``).
"""

from torch import Tensor

from qft.quantum.backends.base import Backend, Readout
from qft.quantum.circuit import Circuit
from qft.quantum.simulators import multilinear, statevector


class Statevector(Backend):
    """Equals the dense state-vector simulation to rounding (tests: 1e-10 in float64)."""

    name = "statevector"
    gradient = "autograd"
    plain_torch = compiles = True

    def refusal(self, circuit: Circuit) -> str | None:
        if circuit.qubits > statevector.MAX_QUBITS:
            return f"{circuit.qubits} qubits, and it takes at most {statevector.MAX_QUBITS}"
        return None

    def bind(self, circuit: Circuit, weights: Tensor) -> Readout:
        evaluate: Readout
        if multilinear.is_multilinear(circuit):
            coefficients = multilinear.coefficients(circuit, weights)

            def evaluate(inputs: Tensor) -> Tensor:
                return multilinear.evaluate(coefficients, inputs)
        else:
            evaluate = statevector.bind(circuit, weights)

        def read(inputs: Tensor) -> Tensor:
            self.count(inputs.shape[-1])
            return evaluate(inputs)

        return read


BACKEND = Statevector
