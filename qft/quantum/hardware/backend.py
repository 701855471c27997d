"""A backend that measures circuits on a chip, whoever its vendor is: ``backends/qcloud.py``, ``ibm.py`` add a client.

mode=direct sends one circuit a row (one each observable with grouping=per_observable, as the paper counts);
mode=surrogate measures each circuit's response on its grid of angles once and evaluates rows classically
(``surrogate.py``). No gradient. Every circuit is in the run's journal before it is sent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from qft.errors import QftError, nearest
from qft.quantum import observables
from qft.quantum.backends.base import Backend, Readout
from qft.quantum.circuit import Circuit
from qft.quantum.hardware.clients.base import Client, Counts, Program, canonical
from qft.quantum.hardware.job_runner import JobRunner
from qft.quantum.hardware.journal import Journal, file_of
from qft.quantum.hardware.poller import Waiting
from qft.quantum.hardware.sampler import GROUPINGS, Request, Sampler
from qft.quantum.hardware.surrogate import HELD_OUT, Surrogates, settings
from qft.quantum.mitigation import CALIBRATIONS, OFF, Mitigation

MOST = 10**9  # shots and circuits
MODES = ("direct", "surrogate")


@dataclass(frozen=True)
class HardwareOptions:
    """Options that every vendor's backend has; configs/backend/qcloud.yaml explains them. Raises QftError."""

    chip: str
    max_qubits: int
    shots: int
    options: dict[str, Any]
    mode: str
    grouping: str
    fresh_shots: bool
    batch_size: int
    max_circuits: int | None
    journal: str | None
    moved: bool
    waiting: Waiting
    seed: int
    mitigation: Mitigation = OFF

    def __post_init__(self) -> None:
        for key, value in (("shots", self.shots), ("batch_size", self.batch_size), ("max_qubits", self.max_qubits)):
            if not 1 <= value <= MOST:
                raise QftError(f"backend.{key}={value} must be at least 1 and at most {MOST:,}.")
        if not 0 <= self.seed < 2**32:
            raise QftError(f"backend.seed={self.seed} must be at least 0 and below 2^32.")
        if self.max_circuits is not None and self.max_circuits < 0:
            raise QftError(f"backend.max_circuits={self.max_circuits} must be at least 0, or null for no limit.")
        for key, choice, choices in (("mode", self.mode, MODES), ("grouping", self.grouping, GROUPINGS)):
            if choice not in choices:
                raise QftError(f"backend.{key}={choice} does not exist.{nearest(choice, choices)}")


class HardwareBackend(Backend):
    """Circuits on the chip of one vendor, through its client and the run's journal."""

    gradient = None
    trains = False
    seeded = False  # shots of a chip
    shots: int
    # options that do not decide results, only how they are obtained: an evaluation can be resumed with others
    transient: ClassVar[tuple[str, ...]] = (
        *("moved", "journal", "batch_size", "max_circuits", "deadline", "poll", "poll_max"),
    )

    def __init__(self, client: Client, options: HardwareOptions) -> None:
        super().__init__()
        self.client, self.options, self.shots = client, options, options.shots
        self._folder, self._experiment = Path("outputs"), ""
        self._job_runner: JobRunner | None = None
        self.sampler = Sampler(
            client,
            self._run,
            options.chip,
            options.shots,
            canonical(options.options),
            options.grouping,
            options.mitigation,
        )
        self.mitigation = options.mitigation
        self.surrogates = Surrogates(self.sampler, options.shots, options.seed)

    def begin(self, folder: Path, experiment: str, circuits: Sequence[tuple[Circuit, Tensor]]) -> None:
        """The journal lies in ``folder`` and belongs to ``experiment``; all surrogates are measured at once."""
        self._folder, self._experiment = folder, experiment
        if self.options.mode == "surrogate" and circuits:
            self._measure(circuits)

    @property
    def journal_path(self) -> Path:
        """Where the journal is, or will be."""
        return Path(self.options.journal) if self.options.journal else self._folder / file_of(self.name)

    @property
    def job_runner(self) -> JobRunner:
        """Opened when first needed: a configuration that is wrong leaves no file."""
        if self._job_runner is None:
            journal = Journal(self.journal_path, self._experiment, moved=self.options.moved)
            self._job_runner = JobRunner(journal, self.client, self.options.waiting)
        return self._job_runner

    def close(self) -> None:
        """Let others use the journal."""
        if self._job_runner is not None:
            self._job_runner.close()
            self._job_runner.journal.close()
            self._job_runner = None

    def refusal(self, circuit: Circuit) -> str | None:
        if circuit.qubits > self.options.max_qubits:
            return f"{circuit.qubits} qubits, and backend.chip={self.options.chip} has {self.options.max_qubits}"
        return None

    def bind(self, circuit: Circuit, weights: Tensor) -> Readout:
        self._check_size(circuit)

        def read(inputs: Tensor) -> Tensor:
            if torch.is_grad_enabled() and (inputs.requires_grad or weights.requires_grad):
                raise QftError(f"backend={self.name} gives no gradient; train with backend=statevector.")
            direct = self.options.mode == "direct"
            self.count(inputs.shape[-1] * (len(self.mitigation.folds) if direct else 1))
            if direct:
                return self.expectations(circuit, weights, inputs, observables.single_z(circuit.qubits))
            if (circuit, weights) not in self.surrogates:
                self._measure([(circuit, weights)])
            return self.surrogates[circuit, weights].evaluate(inputs)

        return read

    def expectations(self, circuit: Circuit, weights: Tensor, inputs: Tensor, strings: Sequence[str]) -> Tensor:
        """<P> of Pauli strings, measured on the chip.

        Args:
            circuit: At most ``max_qubits`` wide.
            weights: (num_weights,).
            inputs: (num_inputs, t).
            strings: One letter I, X, Y or Z a qubit each.

        Returns:
            (len(strings), t), in the dtype and on the device of ``inputs``.

        Raises:
            ValueError: The circuit is too wide, or a string is not a Pauli string of its length.
            QftError: As ``JobRunner.run``.
        """
        self._check_size(circuit)
        observables.check(strings, circuit.qubits)
        request = Request(circuit, weights, inputs.detach().double().cpu().numpy())
        return torch.as_tensor(self.sampler.means([request], strings)[0], dtype=inputs.dtype, device=inputs.device)

    def report(self) -> dict[str, Any]:
        """What a run's record says: jobs and circuits in the journal, and how well surrogates fit."""
        if self._job_runner is None:
            return {}
        journal = self._job_runner.journal
        positions, results = journal.served()
        out: dict[str, Any] = {"chip": self.options.chip, "shots": self.shots, "journal": str(journal.path)}
        out |= {"jobs": journal.state_counts(), "circuits_sent": journal.circuits_sent()}
        out |= {"readouts_asked": positions, "results": results}
        return out | ({"surrogates": self.surrogates.fits} if self.surrogates.fits else {})

    def _run(self, programs: Sequence[Program]) -> list[Counts]:
        o = self.options
        return self.job_runner.run(programs, o.batch_size, o.max_circuits, o.fresh_shots)

    def _check_size(self, circuit: Circuit) -> None:
        if reason := self.refusal(circuit):
            raise ValueError(reason)

    def _measure(self, circuits: Sequence[tuple[Circuit, Tensor]]) -> None:
        """Measure surrogates, unless their grids are larger than what may be sent."""
        try:
            total = sum(settings(circuit) + HELD_OUT for circuit, _ in circuits) * len(self.mitigation.folds)
            if self.mitigation.readout:
                total += CALIBRATIONS * len({circuit.qubits for circuit, _ in circuits})
        except ValueError as error:
            raise QftError(f"backend.mode=surrogate does not fit this circuit: {error}.") from error
        # checked here and not only before sending, as large grids take long to write out; known results cost nothing
        known = self.job_runner.journal.served()[1] if self.journal_path.is_file() else 0
        most = self.options.max_circuits
        if most is not None and total > most + known:
            raise QftError(
                f"The grids of {len(circuits)} circuits take {total:,} circuits, more than "
                f"backend.max_circuits={most:,}; nothing was sent."
            )
        for circuit, _ in circuits:
            self._check_size(circuit)
        self.surrogates.measure(circuits)
