"""A noisy chip, exactly: the circuit in the chip's basis under a noise model (``qft.quantum.noise``).

``noise.chip=NAME`` or a file: the noise of a real chip as it was calibrated (``qft.quantum.chip_noise``), on circuits
that are placed and routed for it (``qft.quantum.routing``).

Expectations are those of infinitely many shots, differentiable, so that training can take the noise into account;
how, and what it costs, is said in ``qft.quantum.simulators.noisy``. ``shots=N`` measures every qubit of each circuit N
times instead: counts of the 2^r joint outcomes are drawn from their exact distribution, wrong readings included, by a
generator that ``seed`` and the circuits evaluated so far decide. What is sampled is differentiated by parameter shift,
with shots of its own.

``mitigation`` takes errors off again as a chip's user would (``qft.quantum.mitigation``): without shots, what that
gives with infinitely many.
"""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from torch import Tensor

from qft.errors import QftError
from qft.quantum import gradients
from qft.quantum.backends.base import Backend, Readout
from qft.quantum.chip_noise import ChipNoise, Noise, noise_of
from qft.quantum.circuit import Circuit
from qft.quantum.mitigation import OFF, Mitigation, Reading
from qft.quantum.simulators import noisy
from qft.quantum.simulators.routed_layers import routed_layers
from qft.quantum.simulators.shots import frequencies
from qft.quantum.simulators.transfer import z_observables, z_strings


class Noisy(Backend):
    """Equals a density-matrix simulation of the chip's circuit to rounding (tests: 1e-9 against pyqpanda3)."""

    name = "noisy"
    noise: Noise

    def __init__(
        self,
        noise: Mapping[str, Any] | None = None,
        scale: float = 1.0,
        shots: int | None = None,
        seed: int | None = None,
        mitigation: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if shots is not None and shots < 1:
            raise QftError(f"backend.shots={shots} must be at least 1; null means exact expectations.")
        self.noise = noise_of(noise or {}, scale)
        self.shots, self._seed = shots, seed or 0
        self.mitigation = Mitigation.of(mitigation)
        self.gradient = "autograd" if shots is None else "parameter_shift"
        self.plain_torch = shots is None

    def refusal(self, circuit: Circuit) -> str | None:
        return noisy.refusal(circuit, self.noise)

    def bind(self, circuit: Circuit, weights: Tensor) -> Readout:
        if self.shots is not None:
            return gradients.by_shift(circuit, weights, self._sampled)
        z = z_observables(circuit.qubits, weights)
        each = [noisy.bind(circuit, weights, self.noise, z, folds) for folds in self.mitigation.folds]
        return self._counted(self._mitigated(circuit, each))

    def report(self) -> dict[str, Any]:
        """Of a calibrated chip, which numbers and which transpiler decided the result."""
        if not isinstance(self.noise, ChipNoise):
            return {}
        chip = self.noise.chip
        return {"chip": chip.name, "calibrated": chip.date, "calibration": chip.digest, "qiskit": version("qiskit")}

    def _counted(self, values: Readout) -> Readout:
        def read(inputs: Tensor) -> Tensor:
            self.count(inputs.shape[-1] * len(self.mitigation.folds))
            return values(inputs)

        return read

    @torch.no_grad()
    def _sampled(self, circuit: Circuit, weights: Tensor) -> Readout:
        shots = self.shots
        assert shots is not None
        strings, signs = z_strings(circuit.qubits, weights)
        singles = signs[[2**q for q in reversed(range(circuit.qubits))]]

        def measured(folds: int) -> Readout:
            correlations = noisy.bind(circuit, weights, self.noise, strings, folds)

            @torch.no_grad()
            def values(inputs: Tensor) -> Tensor:
                probabilities = signs @ correlations(inputs) / len(signs)
                return singles @ frequencies(probabilities, shots, self._generator(probabilities.device, folds))

            return values

        return self._counted(self._mitigated(circuit, [measured(folds) for folds in self.mitigation.folds]))

    def _mitigated(self, circuit: Circuit, each: list[Readout]) -> Readout:
        """The read-out that follows from those of the circuits with folded gates."""
        if self.mitigation == OFF:
            return each[0]
        readings = self._readings(circuit) if self.mitigation.readout else [Reading(0.0, 1.0)] * circuit.qubits

        def read(inputs: Tensor) -> Tensor:
            terms = [c * values(inputs) for c, values in zip(self.mitigation.weights, each, strict=True)]
            offset, slope = torch.as_tensor(readings, dtype=torch.float64).to(inputs).T.unsqueeze(-1)
            mitigated: Tensor = (torch.stack(terms).sum(0) - offset) / slope
            return mitigated

        return read

    def _readings(self, circuit: Circuit) -> list[Reading]:
        """What calibration circuits say of the qubits; with shots, the same counts for the same qubits."""
        if isinstance(self.noise, ChipNoise):
            routed = routed_layers(circuit, self.noise).routed
            qubits = [routed.physical[place] for place in routed.measured]
            means = [self.noise.calibrated(q) for q in qubits]
        else:
            qubits = list(range(circuit.qubits))
            means = [self.noise.calibrated()] * circuit.qubits
        if self.shots is None:
            return [Reading.of(*each) for each in means]
        out = []
        for q, each in zip(qubits, means, strict=True):
            draw = np.random.default_rng([self._seed % 2**64, q])
            zero, one = (2 * draw.binomial(self.shots, (1 + mean) / 2) / self.shots - 1 for mean in each)
            out.append(Reading.of(zero, one))
        return out

    def _generator(self, device: torch.device, folds: int) -> torch.Generator:
        """From what a checkpoint holds, so that a resumed run draws what an uninterrupted one would have."""
        entropy = [self._seed % 2**64, self.evaluations] + [folds] * (folds > 1)
        words = np.random.SeedSequence(entropy).generate_state(1, np.uint64)
        return torch.Generator(device).manual_seed(int(words[0]))


BACKEND = Noisy
