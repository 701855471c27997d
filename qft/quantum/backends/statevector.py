"""Exact, noiseless and differentiable: the response polynomial for one encoding, else the state vector.

A circuit that encodes once on at most 8 qubits is a polynomial whose coefficients are built once a step
(``qft.quantum.response``); re-uploading circuits and wider ones run as a batched state vector
(``qft.quantum.amplitudes``).
"""

from torch import Tensor

from qft.quantum import amplitudes, response
from qft.quantum.backends.base import Backend, Readout
from qft.quantum.circuit import Circuit


class Statevector(Backend):
    """Equals the dense state-vector simulation to rounding (tests: 1e-10 in float64)."""

    name = "statevector"
    gradient = "autograd"
    ordinary = compiles = True

    def bind(self, circuit: Circuit, weights: Tensor) -> Readout:
        evaluate: Readout
        if response.is_multilinear(circuit):
            coefficients = response.coefficients(circuit, weights)

            def evaluate(inputs: Tensor) -> Tensor:
                return response.evaluate(coefficients, inputs)
        else:
            evaluate = amplitudes.bind(circuit, weights)

        def read(inputs: Tensor) -> Tensor:
            self.count(inputs.shape[-1])
            return evaluate(inputs)

        return read


BACKEND = Statevector
