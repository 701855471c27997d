"""Qiskit Aer's simulators (extra: aer): the ecosystem's reference for noisy chips.

    ideal noise     the state vector, exact or with shots=N
    noise           the density matrix, exact, or shots=N drawn from it; wrong read-out included

Circuits run in the chip's basis (U3 and CZ) with noise as Kraus matrices on both, the same model as ``backend=noisy``.
Rows share one parametrised circuit, which Aer binds itself. No gradient: training is by parameter shift.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from qft.errors import QftError
from qft.progress import bar
from qft.quantum import gradients
from qft.quantum.backends.base import Backend, Readout
from qft.quantum.chunks import in_chunks
from qft.quantum.circuit import Circuit
from qft.quantum.hardware.chip import CZ, BoundOp, BoundU3, ChipCircuit, bound, to_chip
from qft.quantum.noise import NoiseModel

AT_ONCE = {"cpu": 2**18}  # probabilities held by one call of Aer


class Aer(Backend):
    """About a thousand circuits a second exactly, some hundred with a thousand shots each."""

    name = "aer"
    noise: NoiseModel
    gradient = "parameter_shift"

    def __init__(
        self,
        noise: Mapping[str, Any] | None = None,
        scale: float = 1.0,
        shots: int | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        if shots is not None and shots < 1:
            raise QftError(f"backend.shots={shots} must be at least 1; null means exact expectations.")
        try:
            import qiskit_aer
        except ImportError as error:
            raise QftError(f"backend=aer needs the extra: pip install 'qft[aer]' ({error}).") from None
        self.noise, self.shots, self._seed = NoiseModel.of(noise or {}, scale), shots, seed or 0
        if self.noise.ideal:
            self._simulator: Any = qiskit_aer.AerSimulator(method="statevector")
        else:
            self._simulator = qiskit_aer.AerSimulator(method="density_matrix", noise_model=_errors(self.noise))
        # threads cost more than such small circuits
        self._simulator.set_options(max_parallel_threads=1, runtime_parameter_bind_enable=True)

    def refusal(self, circuit: Circuit) -> str | None:
        most = self._simulator.configuration().n_qubits
        return f"{circuit.qubits} qubits, and Aer has memory for {most} here" if circuit.qubits > most else None

    def bind(self, circuit: Circuit, weights: Tensor) -> Readout:
        return gradients.by_shift(circuit, weights, self._measured)

    def _measured(self, circuit: Circuit, weights: Tensor) -> Readout:
        chip, angles = to_chip(circuit), weights.double().cpu().numpy()
        program, parameters = self._program(chip)

        def read(inputs: Tensor) -> Tensor:
            chunks = in_chunks(inputs.double().cpu(), numbers=2**circuit.qubits, at_once=AT_ONCE)
            return torch.cat([values(rows) for (rows,) in bar(chunks, "circuits")], 1).to(inputs)

        def values(rows: Tensor) -> Tensor:
            self.count(rows.shape[-1])
            settings = np.array([_u3_angles(bound(chip, z, angles)) for z in rows.T.numpy()])
            binds = {parameter: settings[:, k].tolist() for k, parameter in enumerate(parameters)}
            return torch.as_tensor(self._means(circuit.qubits, program, binds, rows.shape[-1]))

        return read

    def _program(self, chip: ChipCircuit) -> tuple[Any, list[Any]]:
        """Their QuantumCircuit, measured or with its probabilities saved, and the parameters of its U3, three each."""
        from qiskit import QuantumCircuit
        from qiskit.circuit import Parameter

        program, parameters = QuantumCircuit(chip.qubits), []
        for k, op in enumerate(chip.ops):
            if isinstance(op, CZ):
                program.cz(*op.qubits)
            else:
                three = [Parameter(f"{angle}{k}") for angle in ("theta", "phi", "lambda")]
                program.u(*three, op.qubit)
                parameters += three
        if self.shots is None:
            program.save_probabilities()
        else:
            program.measure_all()
        return program, parameters

    def _means(self, qubits: int, program: Any, binds: dict[Any, list[float]], rows: int) -> np.ndarray:
        """<Z> of every qubit (r, rows) of a program with ``rows`` values for each of its parameters."""
        if not rows:
            return np.empty((qubits, 0))
        # from what a checkpoint holds, so that a resumed run draws what an uninterrupted one would have
        seed = int(np.random.SeedSequence([self._seed % 2**64, self.evaluations]).generate_state(1)[0])
        job = self._simulator.run(program, parameter_binds=[binds], shots=self.shots or 1, seed_simulator=seed)
        result = job.result()
        if not result.success:
            raise QftError(f"Aer could not simulate the circuit: {result.status}.")
        # of outcome k, qubit q reads bit q of k
        signs = 1 - 2 * (np.arange(2**qubits) >> np.arange(qubits)[:, None] & 1)
        if self.shots is None:
            z = signs @ np.array([result.data(k)["probabilities"] for k in range(rows)]).T
            read_as = self.noise.readout_transfer()
            return np.asarray(read_as[3, 3] * z + read_as[3, 0])
        counts = np.zeros((2**qubits, rows))
        for row in range(rows):
            for outcome, count in result.data(row)["counts"].items():
                counts[int(outcome, 16), row] = count
        return np.asarray(signs @ counts / self.shots)


def _u3_angles(ops: tuple[BoundOp, ...]) -> list[float]:
    return [angle for op in ops if isinstance(op, BoundU3) for angle in (op.theta, op.phi, op.lam)]


def _errors(noise: NoiseModel) -> Any:
    """The noise as Aer's own model."""
    from qiskit_aer.noise import NoiseModel as Errors
    from qiskit_aer.noise import ReadoutError, kraus_error

    errors = Errors()
    for qubits, gate in ((1, "u"), (2, "cz")):
        errors.add_all_qubit_quantum_error(kraus_error(noise.kraus(qubits)), [gate])
    errors.add_all_qubit_readout_error(ReadoutError([list(row) for row in noise.confusion()]))
    return errors


BACKEND = Aer
