"""The contract of a quantum cloud's client: all that the job runner, the journal and the surrogate know of a vendor.

    prepare(programs)       the vendor's own objects; whatever can go wrong before sending goes wrong here
    submit(batch)           one job of several programs; returns the service's id for it
    poll(task, programs)    the state of a job, with its counts once it has finished
    cancel(task)            ask for a job to be cancelled

A vendor is one file, of the name of its backend: a subclass of ``Client``, named ``CLIENT`` in it. What the service
says is not believed before it is checked, and no
text that a client returns or raises holds the key.
"""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

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
    """What the service says of a job: the counts of all its programs once finished, the reason where it failed."""

    state: State
    counts: list[Counts] | None = None
    reason: str = ""


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
        url: The address that jobs are sent to; None where the vendor's package chooses it. An id of a job means
            something at this address only.
    """

    url: str | None

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

    @abstractmethod
    def check_chip(self, chip: str) -> None:
        """Raise QftError unless the service lists ``chip`` as online."""

    @abstractmethod
    def prepare(self, programs: Sequence[Program]) -> Batch:
        """Programs of one chip, number of shots and options as one job. Sends nothing.

        Raises:
            QftError: The vendor's package does not take a program or the options.
        """

    @abstractmethod
    def submit(self, batch: Batch) -> str:
        """Send a job, once, and return the service's id for it.

        Raises:
            Refused: The service certainly did not take it; Busy where it may later.
            Lost: Whether it took it is not known.
        """

    @abstractmethod
    def poll(self, task: str, programs: Sequence[Program]) -> JobStatus:
        """Ask about a job of these programs, once; counts are held to their number, bits and shots.

        Raises:
            Faulty: The answer decides nothing.
        """

    @abstractmethod
    def cancel(self, task: str) -> bool:
        """Ask for a job to be cancelled; False where the service does not do it or does not answer."""
