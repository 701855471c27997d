"""Means of Pauli strings as a chip measures them: circuits to programs, counts to expectations."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from torch import Tensor

from qft.quantum import observables
from qft.quantum.circuit import Circuit
from qft.quantum.hardware.chip import bound, to_chip
from qft.quantum.hardware.clients.base import Client, Counts, Program

DECIMALS = 6  # of every angle: what is simulated is what is sent
GROUPINGS = {"grouped": observables.grouped, "per_observable": observables.apart}


class Request(NamedTuple):
    """Rows of one circuit: weights (num_weights,) and inputs (num_inputs, t), in radians."""

    circuit: Circuit
    weights: Tensor
    inputs: np.ndarray


class Sampler:
    """Measures circuits on one chip.

    Args:
        client: Writes circuits in the vendor's language.
        run: Runs programs and returns their counts in the same order.
        chip: Name of the chip.
        shots: Of each circuit.
        options: Of the service, as ``canonical`` writes them.
        grouping: One of GROUPINGS: which strings are read from one circuit.
    """

    def __init__(
        self,
        client: Client,
        run: Callable[[Sequence[Program]], list[Counts]],
        chip: str,
        shots: int,
        options: str,
        grouping: str,
    ) -> None:
        self._client, self._run = client, run
        self._chip, self._shots, self._options = chip, shots, options
        self._group = GROUPINGS[grouping]

    def means(self, requests: Sequence[Request], strings: Sequence[str] | None = None) -> list[np.ndarray]:
        """<P> of Pauli strings for each request, all measured together: float64 (len(strings), t).

        ``strings`` None: Z on each qubit of the circuit.
        """
        programs = [program for request in requests for program in self._programs(request, strings)]
        counts = iter(self._run(programs))
        out = []
        for circuit, _, inputs in requests:
            read = strings or observables.single_z(circuit.qubits)
            means = np.empty((len(read), inputs.shape[1]))
            for group in self._group(read):
                for row in range(inputs.shape[1]):
                    measured = next(counts)
                    for k in group.members:
                        means[k, row] = observables.expectation(measured, read[k], group.basis)
            out.append(means)
        return out

    def _programs(self, request: Request, strings: Sequence[str] | None) -> list[Program]:
        """One program a group of strings and row, rows fastest."""
        circuit, weights, inputs = request
        angles = weights.detach().double().cpu().tolist()
        out = []
        for group in self._group(strings or observables.single_z(circuit.qubits)):
            chip_circuit = to_chip(observables.turned(circuit, group.basis))
            measured = observables.measured(group.basis)
            for row in inputs.T:
                ops = bound(chip_circuit, row.tolist(), angles, DECIMALS)
                text = self._client.write(circuit.qubits, ops, measured, DECIMALS)
                out.append(Program(text, self._chip, self._shots, self._options))
        return out
