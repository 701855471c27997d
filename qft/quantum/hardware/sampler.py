"""Means of Pauli strings as a chip measures them: circuits to programs, counts to expectations."""

from collections.abc import Callable, Sequence
from math import pi
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from qft.quantum import observables
from qft.quantum.circuit import Circuit
from qft.quantum.hardware.chip import CZ, BoundOp, BoundU3, bound, to_chip
from qft.quantum.hardware.clients.base import Client, Counts, Program
from qft.quantum.mitigation import Mitigation, Reading

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
        mitigation: Further circuits with folded gates, and calibration circuits, two for each number of qubits,
            measured when they are first needed.
    """

    def __init__(
        self,
        client: Client,
        run: Callable[[Sequence[Program]], list[Counts]],
        chip: str,
        shots: int,
        options: str,
        grouping: str,
        mitigation: Mitigation,
    ) -> None:
        self._client, self._run = client, run
        self._chip, self._shots, self._options = chip, shots, options
        self._group, self.mitigation = GROUPINGS[grouping], mitigation
        self._readings: dict[int, list[Reading]] = {}

    def means(self, requests: Sequence[Request], strings: Sequence[str] | None = None) -> list[np.ndarray]:
        """<P> of Pauli strings for each request, mitigated, all measured together: float64 (len(strings), t).

        ``strings`` None: Z on each qubit of the circuit.
        """
        readings = [self.readings(request.circuit.qubits) for request in requests]
        programs = [program for request in requests for program in self._programs(request, strings)]
        counts = iter(self._run(programs))
        out = []
        for (circuit, _, inputs), known in zip(requests, readings, strict=True):
            read = strings or observables.single_z(circuit.qubits)
            means = np.empty((len(self.mitigation.folds), len(read), inputs.shape[1]))
            for folded in means:
                for group in self._group(read):
                    for row in range(inputs.shape[1]):
                        measured = next(counts)
                        for k in group.members:
                            folded[k, row] = observables.expectation(measured, read[k], group.basis, known)
            out.append(np.tensordot(self.mitigation.weights, means, 1) if self.mitigation.zne else means[0])
        return out

    def readings(self, qubits: int) -> list[Reading] | None:
        """What is read of 0 and of 1 on each of so many qubits; None where readings are not corrected.

        Raises:
            QftError: As the runner of programs does, and where 0 and 1 are not told apart.
        """
        if not self.mitigation.readout:
            return None
        if qubits not in self._readings:
            whole, strings = "Z" * qubits, observables.single_z(qubits)
            ones = tuple(BoundU3(q, pi, 0.0, pi) for q in range(qubits))
            zero, one = self._run([self._program(qubits, ops, list(range(qubits))) for ops in ((), ones)])
            means = [[observables.expectation(counts, z, whole) for z in strings] for counts in (zero, one)]
            self._readings[qubits] = [Reading.of(*each) for each in zip(*means, strict=True)]
        return self._readings[qubits]

    def variances(self, means: Tensor) -> Tensor:
        """Of mitigated means of Z on each qubit, (r, t), as shots explain them; the calibration's own is left out."""
        known = self.readings(len(means)) or [Reading(0.0, 1.0)] * len(means)
        offset, slope = torch.tensor(known, dtype=means.dtype, device=means.device).T.unsqueeze(-1)
        read = (offset + slope * means).clamp(-1, 1)
        mitigated: Tensor = self.mitigation.variance * variance(read, self._shots) / slope.square()
        return mitigated

    def _programs(self, request: Request, strings: Sequence[str] | None) -> list[Program]:
        """One program a number of folds, group of strings and row, rows fastest."""
        circuit, weights, inputs = request
        angles = weights.detach().double().cpu().tolist()
        out = []
        for folds in self.mitigation.folds:
            for group in self._group(strings or observables.single_z(circuit.qubits)):
                chip_circuit = to_chip(observables.turned(circuit, group.basis))
                measured = observables.measured(group.basis)
                for row in inputs.T:
                    ops = _folded(bound(chip_circuit, row.tolist(), angles, DECIMALS), folds)
                    out.append(self._program(circuit.qubits, ops, measured))
        return out

    def _program(self, qubits: int, ops: Sequence[BoundOp], measured: list[int]) -> Program:
        text = self._client.write(qubits, ops, measured, DECIMALS)
        return Program(text, self._chip, self._shots, self._options)


def _folded(ops: tuple[BoundOp, ...], folds: int) -> tuple[BoundOp, ...]:
    """Every CZ run ``folds`` times."""
    return tuple(op for op in ops for _ in range(folds if isinstance(op, CZ) else 1))


def variance(means: Tensor, shots: int) -> Tensor:
    """Variance of the mean of ``shots`` outcomes +-1; never 0, as one of each is added."""
    p = ((1 + means) / 2 * shots + 1) / (shots + 2)
    return 4 * p * (1 - p) / shots
