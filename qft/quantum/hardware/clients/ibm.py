"""IBM's chips through qiskit-ibm-runtime's SamplerV2 (extra: ibm): one job a batch, tagged with our token.

The account is the user's own: QISKIT_IBM_TOKEN in the environment, or what ``QiskitRuntimeService.save_account`` keeps.
Its key goes where that account says, and texts of the service pass through ``_scrub``. A chip ``fake_...`` is a
rehearsal in this process, on a simulator with the noise of a real chip: no account, no network, nothing to pay.
"""

import json
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

from qft.errors import QftError
from qft.names import shortened, visible
from qft.quantum import export
from qft.quantum.hardware.chip import BoundOp
from qft.quantum.hardware.clients import ibm_circuits, ibm_http
from qft.quantum.hardware.clients.base import (
    Batch,
    Client,
    Counts,
    Device,
    Faulty,
    JobStatus,
    Lost,
    Price,
    Program,
    State,
)
from qft.quantum.hardware.clients.keys import Scrubber

if TYPE_CHECKING:
    from qiskit.primitives import BasePrimitiveJob
    from qiskit.providers import BackendV2

REHEARSAL = "fake_"
STATES: dict[str, State] = {
    **{"INITIALIZING": "waiting", "QUEUED": "queuing", "RUNNING": "computing", "DONE": "finished"},
    **{"ERROR": "failed", "CANCELLED": "failed"},
}
_TASK = re.compile(r"[A-Za-z0-9_-]{1,64}")  # it becomes part of an address
_BEARER = re.compile(r"bearer\s+\S+|\beyJ[\w-]+\.[\w-]+\.[\w-]*", re.IGNORECASE)  # what the key was exchanged for
_USD_A_SECOND, _A_JOB, _A_SHOT = 1.60, 2.0, 250e-6


class IBM(Client):
    """One account, and one instance of it.

    Args:
        account: Name of a saved account; None: that of the environment, or the saved default.
        instance: Its name or CRN, as IBM's pages list it; None: that of the account.
        rehearse: Whether chips are the simulated ones of the package.

    Raises:
        QftError: There is no account, or no qiskit-ibm-runtime.
    """

    service = "IBM Quantum"
    url = None  # the account's
    finds = True
    settles: ClassVar[float] = 60.0  # inferred: a job was never seen to be listed later

    def __init__(self, account: str | None = None, instance: str | None = None, rehearse: bool = False) -> None:
        self._account, self._instance, self.rehearses = account, instance, rehearse
        self._rehearsed: dict[str, BasePrimitiveJob[Any, Any]] = {}  # jobs of this process
        self._chips: dict[str, BackendV2] = {}
        self._transpiled: dict[tuple[str, str, str], tuple[Any, list[str]]] = {}
        try:
            import qiskit_ibm_runtime  # noqa: F401
        except ImportError as error:
            raise QftError(f"backend=ibm needs the extra: pip install 'qft[ibm,aer]' ({error}).") from None
        self._scrubber = None if rehearse else Scrubber(_key(account))

    @classmethod
    def connect(cls, options: Mapping[str, Any]) -> Self:
        rehearse = str(options["chip"] or "").startswith(REHEARSAL)
        return cls(options["account"], options["instance"], rehearse)

    @classmethod
    def price(cls, circuits: int, jobs: int, shots: int) -> Price | None:
        seconds = _A_JOB * jobs + _A_SHOT * shots * circuits
        rule = (
            f"IBM charges the chip's time: about {_A_JOB:g} s a job and {_A_SHOT * 1e6:g} us a shot, at "
            f"{_USD_A_SECOND:.2f} USD a second (pay-as-you-go; look your plan's rate up)"
        )
        return Price(seconds, _USD_A_SECOND * seconds, "USD", rule)

    @staticmethod
    def write(qubits: int, ops: Sequence[BoundOp], measured: Sequence[int], decimals: int) -> str:
        return export.qasm(qubits, ops, measured, decimals)

    @staticmethod
    def check_task(task: str) -> None:
        if not _TASK.fullmatch(task):
            raise QftError(f"task={shortened(task)!r} cannot be the id of a job.")

    def devices(self) -> list[Device]:
        if self.rehearses:
            return [Device(name, online=True) for name in sorted(_rehearsal_chips())]
        try:
            with self._quietly():
                chips = [(chip, chip.status()) for chip in self._service.backends()]
        except QftError:
            raise
        except Exception as error:
            raise QftError(f"IBM Quantum does not list its chips ({self._scrub(error)}). Nothing was sent.") from None
        return [Device(c.name, bool(s.operational), c.num_qubits, s.pending_jobs) for c, s in chips]

    def prepare(self, programs: Sequence[Program]) -> Batch:
        from qiskit.primitives.containers.bindings_array import BindingsArray

        first, shapes = programs[0], ibm_circuits.Shapes(programs)
        pubs = []
        for k, text in enumerate(shapes.texts):
            circuit, names = self._transpile(text, first.chip, first.options)
            values = shapes.values(programs, k)
            # the transpiler drops angles that nothing depends on, such as of a RZ before a measurement
            used = [place for place, name in enumerate(names) if name in {p.name for p in circuit.parameters}]
            bound = {tuple(names[place] for place in used): values[:, used]} if used else {}
            pubs.append((circuit, BindingsArray(bound, shape=(len(values),))))
        return Batch(first.chip, first.shots, pubs, json.loads(first.options))

    def _transpile(self, text: str, chip: str, options: str) -> tuple[Any, list[str]]:
        """A circuit in the chip's own gates and on its qubits, and its parameters; once for each shape."""
        from qiskit.transpiler import generate_preset_pass_manager

        key = (ibm_circuits.shape_of(text), chip, options)
        if key not in self._transpiled:
            circuit, names = ibm_circuits.read(text)
            chosen = json.loads(options)
            try:
                with self._quietly():
                    passes = generate_preset_pass_manager(
                        chosen["optimization_level"], self._chip(chip), seed_transpiler=chosen["seed_transpiler"]
                    )
                    self._transpiled[key] = passes.run(circuit), names
            except QftError:
                raise
            except Exception as error:
                raise QftError(f"The circuit cannot be transpiled for {chip}: {self._scrub(error)}") from None
        return self._transpiled[key]

    def submit(self, batch: Batch, token: str) -> str:
        self._once.reset()
        try:
            with self._quietly():
                job = self._sampler(batch, token).run(batch.programs, shots=batch.shots)
                task = str(job.job_id())
        except Exception as error:
            raise self._once.verdict()(self._scrub(error)) from None
        if not _TASK.fullmatch(task):
            raise Lost(f"the answer holds no id but {self._scrub(task)!r}")
        if self.rehearses:
            self._rehearsed[task] = job
        return task

    def _sampler(self, batch: Batch, token: str) -> Any:
        from qiskit_ibm_runtime import SamplerV2

        sampler = SamplerV2(mode=self._chip(batch.chip))
        if not self.rehearses:
            sampler.options.environment.job_tags = [token]
            sampler.options.dynamical_decoupling.enable = batch.settings["dynamical_decoupling"]
            sampler.options.twirling.enable_gates = batch.settings["twirling"]
            sampler.options.twirling.enable_measure = batch.settings["twirling"]
            ibm_http.take_over(self._service, self._once)
        return sampler

    def find(self, token: str) -> list[str]:
        if self.rehearses:
            return []
        with self._faultily():
            found = {str(job.job_id()) for crn in self._instances for job in self._listed(token, crn)}
        if bad := [task for task in found if not _TASK.fullmatch(task)]:
            raise Faulty(f"it lists a job under {self._scrub(bad[0])!r}, which cannot be an id")
        return sorted(found)

    def _listed(self, token: str, instance: str) -> list[Any]:
        jobs: list[Any] = self._service.jobs(limit=10, job_tags=[token], instance=instance)
        if any(token not in (job.tags or []) for job in jobs):
            raise Faulty("it lists jobs without the token that was asked for")
        return jobs

    def poll(self, task: str) -> JobStatus:
        if self.rehearses and task not in self._rehearsed:
            return JobStatus("failed", "a rehearsal ends with its process")
        with self._faultily():
            job = self._job(task)
            state = STATES[str(job.status()).removeprefix("JobStatus.")]
            reason = str(job.error_message() or "no reason given") if state == "failed" else ""
            if job.status() == "CANCELLED":
                reason = "it was cancelled at the service"
        return JobStatus(state, self._scrub(reason))

    def fetch(self, task: str, programs: Sequence[Program]) -> list[Counts]:
        with self._faultily():
            job = self._job(task)
            result = job.result() if self.rehearses else job.result(timeout=ibm_http.ANSWER)
            return ibm_circuits.Shapes(programs).counts(result, programs)

    def cancel(self, task: str) -> bool:
        try:
            with self._faultily():
                self._job(task).cancel()
        except Faulty:
            return False
        return True

    def _job(self, task: str) -> Any:
        if self.rehearses:
            return self._rehearsed[task]
        job = self._service.job(task)
        if job.job_id() != task:
            raise Faulty(f"the answer is about another job, {self._scrub(job.job_id())}")
        return job

    def _chip(self, name: str) -> Any:
        if name not in self._chips:
            self._chips[name] = _rehearsal_chips()[name]() if self.rehearses else self._service.backend(name)
        return self._chips[name]

    @cached_property
    def _once(self) -> "ibm_http.Once":
        return ibm_http.Once()

    @cached_property
    def _service(self) -> Any:
        """Their service, which looks instances and chips up when it is made."""
        from qiskit_ibm_runtime import QiskitRuntimeService

        try:
            service = QiskitRuntimeService(name=self._account, instance=self._instance)
        except Exception as error:
            raise QftError(f"IBM Quantum does not let this account in: {self._scrub(error)}") from None
        ibm_http.take_over(service, self._once)
        return service

    @cached_property
    def _instances(self) -> list[str]:
        return [instance["crn"] for instance in self._service.instances()]

    def _scrub(self, text: object) -> str:
        cleaned = _BEARER.sub("***", str(text))
        return self._scrubber(cleaned) if self._scrubber else visible(cleaned)[:200]

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """Without warnings of their package, one of which may hold the key."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield

    @contextmanager
    def _faultily(self) -> Iterator[None]:
        """Whatever their package raises in the block, as Faulty: it depends on how an answer is broken."""
        try:
            with self._quietly():
                yield
        except (Faulty, QftError) as error:
            raise Faulty(self._scrub(error)) from None
        except Exception as error:
            raise Faulty(self._scrub(error) or type(error).__name__) from None


def _rehearsal_chips() -> "dict[str, Callable[[], BackendV2]]":
    """Classes of the package's simulated chips by their names; to build them all takes long."""
    from qiskit_ibm_runtime import fake_provider

    classes: list[Any] = [one for one in vars(fake_provider).values() if isinstance(one, type)]
    chips = [one for one in classes if issubclass(one, fake_provider.fake_backend.FakeBackendV2)]
    return {chip.backend_name: chip for chip in chips}


def _key(account: str | None) -> str:
    """The key of an account, to take it out of texts. Raises QftError where there is none."""
    from qiskit_ibm_runtime.accounts import AccountManager
    from qiskit_ibm_runtime.accounts.exceptions import AccountNotFoundError

    try:
        return str(AccountManager.get(name=account).token)
    except AccountNotFoundError:
        which = f"called {account}" if account else "in the environment or saved"
        raise QftError(
            f"backend=ibm finds no account {which}: export QISKIT_IBM_TOKEN=..., or save one once with "
            "QiskitRuntimeService.save_account (never in a config)."
        ) from None
    except Exception as error:
        raise QftError(f"The account for backend=ibm cannot be read ({type(error).__name__}).") from None


CLIENT = IBM
