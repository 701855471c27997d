"""Exact, noiseless and differentiable: by a compiled kernel where a C++ compiler is, else by torch's operations.

The kernel (``qft.quantum.native``) runs a state vector, a row in each lane of the processor's vectors. By torch, a
circuit that encodes once on at most 8 qubits is a polynomial whose coefficients are built once a step
(``simulators.multilinear``); re-uploading circuits and wider ones run as a batched state vector
(``simulators.statevector``). Both are equal to rounding, and torch's is what runs on a GPU, under torch.compile and
torch.func, and for second derivatives.
"""

from typing import Any

from torch import Tensor

from qft.errors import QftError
from qft.quantum.backends.base import Backend, Readout
from qft.quantum.circuit import Circuit
from qft.quantum.native import layer, library
from qft.quantum.simulators import multilinear, phases, statevector


class Statevector(Backend):
    """Equals the dense state-vector simulation to rounding (tests: 1e-10 in float64).

    Args:
        kernel: Whether the compiled kernel is used: None, where it can be built; True, or circuits are refused; False,
            never. Which it was is part of the report.
    """

    name = "statevector"
    gradient = "autograd"
    plain_torch = compiles = True

    def __init__(self, kernel: bool | None = None) -> None:
        super().__init__()
        if kernel not in (None, True, False):
            raise QftError(f"backend.kernel is null, true or false, not {kernel!r}.")
        self.kernel = kernel
        self._compiled_by: str | None = None

    def refusal(self, circuit: Circuit) -> str | None:
        if circuit.qubits > statevector.MAX_QUBITS:
            return f"{circuit.qubits} qubits, and it takes at most {statevector.MAX_QUBITS}"
        reason = layer.refusal(circuit) if self.kernel else None
        return reason and f"backend.kernel=true, but {reason}"

    def report(self) -> dict[str, Any]:
        """Which compiler made the kernel that computed; None where torch's operations did."""
        return {"kernel": self._compiled_by}

    def bind(self, circuit: Circuit, weights: Tensor) -> Readout:
        compiled = layer.bind(circuit, weights, by_torch) if self.kernel is not False else None
        if compiled is not None:
            self._compiled_by = library.description()
        evaluate = compiled or by_torch(circuit, weights)

        def read(inputs: Tensor) -> Tensor:
            self.count(inputs.shape[-1])
            return evaluate(inputs)

        return read

    def bind_few(self, circuit: Circuit, weights: Tensor) -> Readout | None:
        evaluate: Readout | None = None
        if phases.is_short(circuit):  # three small kernels are fewer instructions than one call of the compiled one
            evaluate = phases.bind(circuit, weights)
        elif self.kernel is not False:
            evaluate = layer.bind_few(circuit, weights, by_torch)
        if evaluate is None and statevector.is_short(circuit):
            evaluate = statevector.bind_few(circuit, weights)
        if evaluate is None:
            return None
        few = evaluate

        def read(inputs: Tensor) -> Tensor:
            self.count(inputs.shape[-1])
            return few(inputs)

        return read


def by_torch(circuit: Circuit, weights: Tensor) -> Readout:
    """A read-out by torch's operations: the polynomial where there is one, else the state vector."""
    if not multilinear.is_multilinear(circuit):
        return statevector.bind(circuit, weights)
    coefficients = multilinear.coefficients(circuit, weights)
    return lambda inputs: multilinear.evaluate(coefficients, inputs)


BACKEND = Statevector
