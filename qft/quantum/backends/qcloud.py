"""Origin's quantum cloud: circuits in the chip's basis, sent in batches, every job in the run's journal.

mode=direct sends one circuit a row (one each observable with grouping=per_observable, as the paper counts);
mode=surrogate measures each circuit's response on its grid of angles once and evaluates rows classically
(``qft.quantum.hardware.surrogate``). No gradient. The key is in the environment (QFT_QCLOUD_KEY), nowhere else.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from qft.errors import QftError, nearest
from qft.quantum import observables
from qft.quantum.backends.base import Backend, Readout
from qft.quantum.circuit import Circuit
from qft.quantum.export import originir
from qft.quantum.hardware.chip import bound, to_chip
from qft.quantum.hardware.clients.qcloud import Cloud
from qft.quantum.hardware.job_runner import Courier, Patience
from qft.quantum.hardware.journal import FILE, Bound, Journal, canonical
from qft.quantum.hardware.surrogate import HELD_OUT, Surrogate, grid, held_out, settings

log = logging.getLogger(__name__)

MOST = 10**9  # shots and circuits
DECIMALS = 6  # of every angle: what is simulated is what is sent
MODES = ("direct", "surrogate")
GROUPINGS = {"grouped": observables.grouped, "per_observable": observables.apart}
SIGMAS = 3.0  # from which on a surrogate's residual is warned of


class QCloud(Backend):
    """Options are those of configs/backend/qcloud.yaml. Raises QftError for values that make no sense."""

    name = "qcloud"
    gradient = None
    seeded = False  # shots of a chip
    shots: int
    # options that decide how results are had, not which: an evaluation can go on with others
    transient: ClassVar[tuple[str, ...]] = (
        "url",
        "plain_http",
        "moved",
        "journal",
        "batch_size",
        "max_circuits",
        "deadline",
        "poll",
        "poll_max",
    )

    def __init__(
        self,
        url: str | None = None,
        plain_http: bool = False,
        chip: str = "origin_wukong",
        max_qubits: int = 72,
        shots: int = 1000,
        options: dict[str, Any] | None = None,
        mode: str = "direct",
        grouping: str = "grouped",
        fresh_shots: bool = False,
        batch_size: int = 50,
        max_circuits: int | None = 10_000,
        journal: str | None = None,
        moved: bool = False,
        deadline: float = 86_400.0,
        poll: float = 2.0,
        poll_max: float = 60.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        for key, value in (("shots", shots), ("batch_size", batch_size), ("max_qubits", max_qubits)):
            if not 1 <= value <= MOST:
                raise QftError(f"backend.{key}={value} must be at least 1 and at most {MOST:,}.")
        if not 0 <= seed < 2**32:
            raise QftError(f"backend.seed={seed} must be at least 0 and below 2^32.")
        if max_circuits is not None and max_circuits < 0:
            raise QftError(f"backend.max_circuits={max_circuits} must be at least 0, or null for no limit.")
        for key, choice, choices in (("mode", mode, MODES), ("grouping", grouping, GROUPINGS)):
            if choice not in choices:
                raise QftError(f"backend.{key}={choice} does not exist.{nearest(choice, choices)}")
        self.options = {"amend_flag": 0, "mapping": True, "optimization": False} | (options or {})
        if mode == "surrogate" and self.options["optimization"]:
            raise QftError("backend.mode=surrogate needs backend.options.optimization=false: all settings run alike.")
        self.chip, self.max_qubits, self.shots, self.mode = chip, max_qubits, shots, mode
        self.group, self.fresh = GROUPINGS[grouping], fresh_shots
        self.batch_size, self.max_circuits = batch_size, max_circuits
        self.patience = Patience(deadline, poll, poll_max)
        self.seed = seed
        self._journal_given = bool(journal)
        self._journal = Path(journal) if journal else Path("outputs") / FILE
        self._experiment = ""
        self._moved = moved
        self._cloud = Cloud(url, plain_http)
        self._cloud.programs([], canonical(self.options))  # here and not only when sending
        self._courier: Courier | None = None
        self._surrogates: dict[tuple[Circuit, bytes], Surrogate] = {}
        self._fits: list[dict[str, float]] = []

    def begin(self, folder: Path, experiment: str, circuits: Sequence[tuple[Circuit, Tensor]]) -> None:
        """The journal lies in ``folder`` and belongs to ``experiment``; all surrogates are measured at once."""
        self._journal = self._journal if self._journal_given else folder / FILE
        self._experiment = experiment
        if self.mode == "surrogate" and circuits:
            self._measure(circuits)

    @property
    def courier(self) -> Courier:
        """Opened when first needed: a configuration that is wrong leaves no file."""
        if self._courier is None:
            journal = Journal(self._journal, self._experiment, moved=self._moved)
            self._courier = Courier(journal, self._cloud, self.patience)
        return self._courier

    def close(self) -> None:
        """Let others use the journal."""
        if self._courier is not None:
            self._courier.close()
            self._courier.journal.close()
            self._courier = None

    def refusal(self, circuit: Circuit) -> str | None:
        if circuit.qubits > self.max_qubits:
            return f"{circuit.qubits} qubits, and backend.chip={self.chip} has {self.max_qubits}"
        return None

    def bind(self, circuit: Circuit, weights: Tensor) -> Readout:
        self._check_size(circuit)

        def read(inputs: Tensor) -> Tensor:
            if torch.is_grad_enabled() and (inputs.requires_grad or weights.requires_grad):
                raise QftError("backend=qcloud gives no gradient; train with backend=statevector.")
            self.count(inputs.shape[-1])
            if self.mode == "surrogate":
                return self.surrogate(circuit, weights).evaluate(inputs)
            return self.expectations(circuit, weights, inputs, observables.single_z(circuit.qubits))

        return read

    def _check_size(self, circuit: Circuit) -> None:
        if reason := self.refusal(circuit):
            raise ValueError(reason)

    def expectations(self, circuit: Circuit, weights: Tensor, inputs: Tensor, strings: Sequence[str]) -> Tensor:
        """<P> of Pauli strings for inputs (num_inputs, t) -> (len(strings), t), measured on the chip."""
        self._check_size(circuit)
        observables.check(strings, circuit.qubits)
        means = self._means([(circuit, weights, inputs.detach().double().cpu().numpy())], strings)[0]
        return torch.as_tensor(means, dtype=inputs.dtype, device=inputs.device)

    def _means(
        self, wanted: Sequence[tuple[Circuit, Tensor, np.ndarray]], strings: Sequence[str] | None = None
    ) -> list[np.ndarray]:
        """Means (len(strings), t) for each (circuit, weights, inputs (num_inputs, t)), all sent together.

        ``strings`` None: Z on each qubit.
        """
        circuits: list[Bound] = []
        options = canonical(self.options)
        for circuit, weights, inputs in wanted:
            angles = weights.detach().double().cpu().tolist()
            for g in self.group(strings or observables.single_z(circuit.qubits)):
                chip = to_chip(observables.turned(circuit, g.basis))
                reads = "".join(f"MEASURE q[{q}],c[{k}]\n" for k, q in enumerate(observables.measured(g.basis)))
                for row in inputs.T:
                    text = (
                        originir(circuit.qubits, bound(chip, row.tolist(), angles, DECIMALS), False, DECIMALS) + reads
                    )
                    circuits.append(Bound(text, self.chip, self.shots, options))
        counts = iter(self.courier.counts(circuits, self.batch_size, self.max_circuits, self.fresh))
        out = []
        for circuit, _, inputs in wanted:
            read = strings or observables.single_z(circuit.qubits)
            means = np.empty((len(read), inputs.shape[1]))
            for g in self.group(read):
                for t in range(inputs.shape[1]):
                    found = next(counts)
                    for k in g.members:
                        means[k, t] = observables.expectation(found, read[k], g.basis)
            out.append(means)
        return out

    def surrogate(self, circuit: Circuit, weights: Tensor) -> Surrogate:
        """The measured response of a circuit with these weights; measured now where it was not before."""
        key = _key(circuit, weights)
        if key not in self._surrogates:
            self._measure([(circuit, weights)])
        return self._surrogates[key]

    def _measure(self, circuits: Sequence[tuple[Circuit, Tensor]]) -> None:
        try:
            total = sum(settings(circuit) + HELD_OUT for circuit, _ in circuits)
        except ValueError as error:
            raise QftError(f"backend.mode=surrogate does not fit this circuit: {error}.") from error
        # here and not only when sending, as large grids take long to write out; what is known costs nothing
        known = self.courier.journal.served()[1] if self._journal.is_file() else 0
        if self.max_circuits is not None and total > self.max_circuits + known:
            raise QftError(
                f"The grids of {len(circuits)} circuits have {total:,} settings, more than "
                f"backend.max_circuits={self.max_circuits:,}; nothing was sent."
            )
        generator = np.random.default_rng(self.seed)
        wanted = []
        for circuit, weights in circuits:
            self._check_size(circuit)
            wanted.append((circuit, weights, np.concatenate((grid(circuit), held_out(circuit, generator)), 1)))
        log.info("surrogate: %s circuits determine the response of %d modules", f"{total:,}", len(circuits))
        found = self._means(wanted)
        for number, ((circuit, weights, z), means) in enumerate(zip(wanted, found, strict=True)):
            self._fit(number, circuit, weights, z, torch.as_tensor(means))

    def _fit(self, number: int, circuit: Circuit, weights: Tensor, z: np.ndarray, means: Tensor) -> None:
        fit = Surrogate(circuit, means[:, :-HELD_OUT], self.shots)
        checked = torch.as_tensor(z[:, -HELD_OUT:])
        residual, excess = fit.check(checked, means[:, -HELD_OUT:])
        error = float(fit.errors(checked).square().mean().sqrt())
        self._fits.append({"standard_error": error, "residual": residual, "sigmas": excess})
        if excess > SIGMAS:
            log.warning(
                "warning: the surrogate of module %d misses %d held-out settings by %.3f (rms), %.1f sigmas more than "
                "shots explain: the chip drifts, or its noise depends on the angles.",
                number,
                HELD_OUT,
                residual,
                excess,
            )
        self._surrogates[_key(circuit, weights)] = fit

    def report(self) -> dict[str, Any]:
        """What a run's record says: jobs and circuits in the journal, and how well surrogates fit."""
        if self._courier is None:
            return {}
        journal = self._courier.journal
        positions, results = journal.served()
        out: dict[str, Any] = {"chip": self.chip, "shots": self.shots, "journal": str(journal.path)}
        out |= {"jobs": journal.counts(), "circuits_sent": journal.sent()}
        out |= {"readouts_asked": positions, "results": results}
        return out | ({"surrogates": self._fits} if self._fits else {})


def _key(circuit: Circuit, weights: Tensor) -> tuple[Circuit, bytes]:
    return circuit, weights.detach().double().cpu().numpy().tobytes()


BACKEND = QCloud
