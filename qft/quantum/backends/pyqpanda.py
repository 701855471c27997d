"""pyqpanda3's simulators: an independent second opinion, and what Origin's own tools compute.

    shots=null, ideal noise     CPUQVM, the state vector
    shots=null, noise           DensityMatrixSimulator, exact; wrong read-out is applied to its probabilities
    shots=N                     CPUQVM: N noisy trajectories, every qubit measured

All run the circuit in the chip's basis, one circuit at a time, with noise as Kraus matrices on U3 and CZ. pyqpanda3
has no seed, so shots are not reproducible, and no gradient: training is by parameter shift, for tiny cases.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from qft.errors import QftError
from qft.progress import bar
from qft.quantum import gradients, pyqpanda3
from qft.quantum.backends.base import Backend, Readout
from qft.quantum.circuit import Circuit
from qft.quantum.hardware.chip import CZ, BoundOp, bound, to_chip
from qft.quantum.noise import NoiseModel


class PyQPanda(Backend):
    """One circuit after the other; some thousand a second exactly, a few a second with noise and shots."""

    name = "pyqpanda"
    noise: NoiseModel
    gradient = "parameter_shift"
    seeded = False

    def __init__(self, noise: Mapping[str, Any] | None = None, scale: float = 1.0, shots: int | None = None) -> None:
        super().__init__()
        if shots is not None and shots < 1:
            raise QftError(f"backend.shots={shots} must be at least 1; null means exact expectations.")
        self._core = pyqpanda3.load("core", "pyqpanda")
        self.noise, self.shots = NoiseModel.of(noise or {}, scale), shots
        self._ideal = self.noise.ideal

    def bind(self, circuit: Circuit, weights: Tensor) -> Readout:
        return gradients.by_shift(circuit, weights, self._one_by_one)

    def _one_by_one(self, circuit: Circuit, weights: Tensor) -> Readout:
        r, chip, angles = circuit.qubits, to_chip(circuit), weights.double().cpu().numpy()

        def read(inputs: Tensor) -> Tensor:
            self.count(inputs.shape[-1])
            with one_thread():
                settings = bar(inputs.double().cpu().T.numpy(), "circuits")
                rows = [self.outcomes(r, self.program(r, bound(chip, z, angles))) for z in settings]
            values = [[_mean(p, q) for p in rows] for q in range(r)]
            return torch.as_tensor(np.array(values)).to(inputs)

        return read

    def program(self, qubits: int, ops: tuple[BoundOp, ...]) -> Any:
        """Their QProg of a bound circuit, with measurements where shots are asked for."""
        core, prog = self._core, self._core.QProg()
        for op in ops:
            prog << (core.CZ(*op.qubits) if isinstance(op, CZ) else core.U3(op.qubit, op.theta, op.phi, op.lam))
        if self.shots is not None:
            prog << core.measure(list(range(qubits)), list(range(qubits)))
        return prog

    def outcomes(self, qubits: int, prog: Any) -> np.ndarray:
        """Probability, or share of the shots, of each outcome as it is read: (2,) * qubits, qubit 0 first."""
        core = self._core
        if self.shots is not None:  # the simulator misreads them itself
            machine = core.CPUQVM()
            machine.run(prog, self.shots, self._model)
            counts = machine.result().get_counts()
            flat = np.array([counts.get(f"{k:0{qubits}b}", 0) for k in range(2**qubits)]) / self.shots
        elif self._ideal:
            machine = core.CPUQVM()
            machine.run(prog, 1)
            flat = np.abs(machine.result().get_state_vector()) ** 2
        else:
            machine = core.DensityMatrixSimulator()
            machine.run(prog, self._model)
            flat = np.array(machine.state_probs())
        p = flat.reshape((2,) * qubits).transpose(range(qubits)[::-1])  # their qubit 0 is the last
        if self.shots is None and not self._ideal:
            for q in range(qubits):
                p = np.moveaxis(np.tensordot(p, self._confusion, (q, 0)), -1, q)
        return p

    @cached_property
    def _confusion(self) -> np.ndarray:
        return np.array(self.noise.confusion())

    @cached_property
    def _model(self) -> Any:
        model = self._core.NoiseModel()
        if self._ideal:
            return model
        for m, gate in ((1, self._core.GateType.U3), (2, self._core.GateType.CZ)):
            kraus = [k.ravel().tolist() for k in self.noise.kraus(m)]
            model.add_all_qubit_quantum_error(self._core.QuantumError(kraus), gate)
        if self.shots is not None:
            model.add_all_qubit_read_out_error([list(row) for row in self.noise.confusion()])
        return model


def _mean(p: np.ndarray, qubit: int) -> float:
    """<Z> of one qubit from the probabilities of all outcomes."""
    zero, one = np.moveaxis(p, qubit, 0).reshape(2, -1).sum(1)
    return float(zero - one)


@contextmanager
def one_thread() -> Iterator[None]:
    """Their OpenMP threads cost far more than such small circuits: 3 circuits a second instead of 2,000."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # sets the number for all of OpenMP
    try:
        yield
    finally:
        torch.set_num_threads(before)


BACKEND = PyQPanda
