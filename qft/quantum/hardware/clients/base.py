"""The contract of a quantum cloud's client: all that the job runner, the journal and the surrogate know of a vendor.

    devices()               the chips of the service
    price(...)              what circuits take of a chip's time and cost, where the vendor publishes a rule
    prepare(programs)       the vendor's own objects; whatever can go wrong before sending goes wrong here
    submit(batch, token)    one job of several programs, marked with our token; returns the service's id for it
    find(token)             the ids of the jobs so marked, where the service can look them up
    poll(task)              the state of a job
    fetch(task, programs)   the counts of a job that has finished
    cancel(task)            ask for a job to be cancelled

A vendor is one file, of the name of its backend: a subclass of ``Client``, named ``CLIENT`` in it. What the service
says is not believed before it is checked, and no text that a client returns or raises holds the key.
"""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

from qft.errors import QftError, nearest
from qft.quantum.hardware.chip import BoundOp

Counts = dict[str, int]  # bits, classical bit 0 rightmost -> how often
State = Literal["waiting", "queuing", "computing", "finished", "failed"]


@dataclass(frozen=True)
class Program:
    """What is sent: the text of a circuit, and what it is run with."""

    text: str  # in the vendor's language
    chip: str
    shots: int
    options: str  # JSON, keys sorted; see ``canonical``

    @property
    def id(self) -> str:
        """SHA-256 over all four: equal programs are sent once."""
        return hashlib.sha256(json.dumps([self.text, self.chip, self.shots, self.options]).encode()).hexdigest()


def canonical(options: dict[str, Any]) -> str:
    """Options as the text that belongs to a program's identity."""
    return json.dumps(options, sort_keys=True)


@dataclass(frozen=True)
class Batch:
    """Programs that are ready to be sent as one job, for one chip."""

    chip: str
    shots: int
    programs: Any  # the vendor's own objects
    settings: Any


@dataclass(frozen=True)
class JobStatus:
    """What the service says of a job, with the reason where it failed."""

    state: State
    reason: str = ""


@dataclass(frozen=True)
class Device:
    """A chip as its service lists it; None where the service does not say.

    Attributes:
        name: What ``backend.chip=`` calls it.
        online: Whether it takes jobs now.
        qubits: How many it has.
        waiting: Jobs that wait for it.
        aliases: Other names of it.
    """

    name: str
    online: bool
    qubits: int | None = None
    waiting: int | None = None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Price:
    """What circuits take by a vendor's published rule.

    Attributes:
        seconds: Of the chip's time.
        money: In ``currency``.
        currency: As ISO 4217 writes it.
        rule: The rule in words, with its source.
    """

    seconds: float
    money: float
    currency: str
    rule: str


class Refused(Exception):
    """The service certainly did not take a submission: it was not reached, or the request was turned down."""


class Busy(Refused):
    """The service did not take a submission now, and may later."""


class Lost(Exception):
    """Whether the service took a submission is not known."""


class Faulty(Exception):
    """An answer that says nothing about a job: no connection, an error of the service, or one it cannot mean."""


class Client(ABC):
    """One account at one service.

    Attributes:
        service: What messages call it.
        url: The address that jobs are sent to; None where the vendor's package chooses it. An id of a job means
            something at this address only.
        finds: Whether the service can look a job up by our token.
        settles: Seconds after which a submission that ``find`` does not list was certainly not taken.
    """

    service: ClassVar[str]
    url: str | None
    finds: ClassVar[bool] = False
    settles: ClassVar[float] = 0.0

    @classmethod
    @abstractmethod
    def connect(cls, options: Mapping[str, Any]) -> Self:
        """The account and address that options of the backend's yaml name. Sends nothing.

        Raises:
            QftError: There is no key, or the address is unsafe.
        """

    @staticmethod
    @abstractmethod
    def write(qubits: int, ops: Sequence[BoundOp], measured: Sequence[int], decimals: int) -> str:
        """The text of a circuit whose k-th ``measured`` qubit is read into classical bit k; angles in radians."""

    @staticmethod
    @abstractmethod
    def check_task(task: str) -> None:
        """Raise QftError for a text that cannot be a job's id, or that holds the key. Sends nothing."""

    @classmethod
    def price(cls, circuits: int, jobs: int, shots: int) -> Price | None:
        """What so many circuits of ``shots`` shots in so many jobs take; None where the vendor publishes no rule."""
        return None

    @abstractmethod
    def devices(self) -> list[Device]:
        """The chips that the service lists.

        Raises:
            QftError: It does not list them: no network, or a key that it does not know.
        """

    def check_chip(self, chip: str) -> None:
        """Raise QftError unless the service lists ``chip`` as online."""
        listed = self.devices()
        if (device := next((d for d in listed if chip in (d.name, *d.aliases)), None)) is None:
            names = [name for d in listed for name in (d.name, *d.aliases)]
            raise QftError(f"backend.chip={chip} does not exist at {self.service}.{nearest(chip, names[:20])}")
        if not device.online:
            raise QftError(f"backend.chip={chip} is offline; try again later. Nothing was sent.")

    @abstractmethod
    def prepare(self, programs: Sequence[Program]) -> Batch:
        """Programs of one chip, number of shots and options as one job. Sends nothing.

        Raises:
            QftError: The vendor's package does not take a program or the options.
        """

    @abstractmethod
    def submit(self, batch: Batch, token: str) -> str:
        """Send a job, once, and return the service's id for it.

        Args:
            batch: From ``prepare``.
            token: Of this submission, the same if it is repeated: letters, digits and hyphens. It goes with the job
                where the service takes one.

        Raises:
            Refused: The service certainly did not take it; Busy where it may later.
            Lost: Whether it took it is not known.
        """

    def find(self, token: str) -> list[str]:
        """The ids of the jobs that were sent with ``token``, where ``finds``.

        Raises:
            Faulty: The answer decides nothing.
        """
        raise NotImplementedError(f"{self.service} looks no jobs up")

    @abstractmethod
    def poll(self, task: str) -> JobStatus:
        """Ask about a job, once.

        Raises:
            Faulty: The answer decides nothing.
        """

    @abstractmethod
    def fetch(self, task: str, programs: Sequence[Program]) -> list[Counts]:
        """The counts of a finished job of these programs, held to their number, bits and shots.

        Raises:
            Faulty: The answer decides nothing.
        """

    @abstractmethod
    def cancel(self, task: str) -> bool:
        """Ask for a job to be cancelled; False where the service does not do it or does not answer."""
