"""Origin's QCloud through pyqpanda3's client: submit, look, cancel, and what its answers really say.

The client (0.5.1) reads a refused query (``success: false``, a bad key say) and a state it does not know as FAILED,
and reports every error as a bare RuntimeError: here the raw reply is read instead. Its own time limit is 60 s a
request, queries are tried three times, submissions once. The key is read from the environment and never leaves this
file; texts of the service pass through ``_scrub``.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qft.errors import QftError, nearest
from qft.quantum.journal import Counts

KEY = "QFT_QCLOUD_KEY"
ALIASES = {"origin_wukong": "72"}  # the one name the client translates; others are chip ids as listed
SIMULATORS = ("full_amplitude", "partial_amplitude", "single_amplitude")  # listed, but take other options
STATES = {"1": "waiting", "2": "computing", "3": "finished", "4": "failed", "5": "queuing"}


class Refused(Exception):
    """The service certainly did not take a submission: it was not reached, or it answered 4xx."""


class Lost(Exception):
    """Whether the service took a submission is not known."""


class Faulty(Exception):
    """An answer that says nothing about a job: no connection, an error of the service, or one it cannot mean."""


@dataclass(frozen=True)
class Look:
    """What a query says of a job: a value of STATES, the counts once finished, the reason where it failed."""

    state: str
    counts: list[Counts] | None = None
    reason: str = ""


class Cloud:
    """One account at one address. Raises QftError without a key or without pyqpanda3."""

    def __init__(self, url: str | None) -> None:
        self.url = url
        key = os.environ.get(KEY, "").strip()
        if not key:
            raise QftError(f"The quantum cloud needs a key in the environment: export {KEY}=... (never in a config).")
        self._secret = key
        try:
            from pyqpanda3 import qcloud
        except ImportError:
            raise QftError("backend=qcloud needs the extra: pip install 'qft[pyqpanda]'.") from None
        self._qcloud: Any = qcloud  # its stubs name nothing
        try:
            self._service = self._qcloud.QCloudService(*([key, url] if url else [key]))
        except (RuntimeError, ValueError) as error:
            raise QftError(f"The quantum cloud does not take this key: {self._scrub(error)}") from None

    def _scrub(self, text: object) -> str:
        """At most 200 characters of what the service or the client says, without the key."""
        return str(text).replace(self._secret, "***")[:200]

    def check_chip(self, chip: str) -> None:
        """Ask for the list of chips. Raises QftError where there is no such chip or no sensible answer."""
        try:
            listed = self._service.backends()
        except RuntimeError as error:
            raise QftError(
                f"The quantum cloud{self._at()} does not list its chips ({self._scrub(error)}); check the network, "
                f"backend.url and the key in {KEY}. Nothing was sent."
            ) from None
        chips = {name: online for name, online in listed.items() if name not in SIMULATORS}
        found = chips.get(chip, chips.get(ALIASES.get(chip, "")))
        if found is None:
            names = [*chips, *(alias for alias, name in ALIASES.items() if name in chips)]
            raise QftError(f"backend.chip={chip} does not exist at the quantum cloud.{nearest(chip, names)}")
        if not found:
            raise QftError(f"backend.chip={chip} is offline; try again later. Nothing was sent.")

    def _at(self) -> str:
        return f" at {self.url}" if self.url else ""

    def programs(self, texts: Sequence[str], options: dict[str, Any]) -> tuple[list[Any], Any]:
        """OriginIR texts and options as the client's own objects: whatever can go wrong before sending does here."""
        from pyqpanda3 import intermediate_compiler

        read: Any = intermediate_compiler
        settings = self._qcloud.QCloudOptions(is_prob_counts=True, **options)
        return [read.convert_originir_string_to_qprog(text) for text in texts], settings

    def submit(self, chip: str, programs: list[Any], shots: int, settings: Any) -> str:
        """Send circuits as one job and return the service's id. Raises Refused or Lost."""
        try:
            task = str(self._service.backend(chip).run(programs, shots, settings).job_id())
        except RuntimeError as error:
            text = self._scrub(error)
            if "Failed to connect" in text or "Could not resolve" in text or "failed with status 4" in text:
                raise Refused(text) from None
            raise Lost(text) from None
        if not task:
            raise Lost("the answer holds no id")
        return task

    def look(self, task: str, bits: Sequence[int], shots: int) -> Look:
        """Query a job whose circuits measure so many ``bits`` each. Raises Faulty where the answer decides nothing."""
        try:
            raw = self._qcloud.QCloudJob(task).query().origin_data()
        except RuntimeError as error:
            raise Faulty(self._scrub(error)) from None
        try:
            reply = json.loads(raw)
            detail = reply.get("obj") or {}
            if not reply["success"]:
                raise Faulty(self._scrub(f"the query was refused: {reply.get('message')}"))
            state = STATES[str(detail["taskState"])]
            if state == "finished":
                return Look(state, read_counts(detail, bits, shots))
        except KeyError as error:
            raise Faulty(self._scrub(f"the answer has an unknown state or lacks a field: {error}")) from None
        except (ValueError, TypeError, AttributeError) as error:
            raise Faulty(self._scrub(f"the answer cannot be read: {error}")) from None
        reason = detail.get("errorMessage") or detail.get("errorDetail") or reply.get("message") or "no reason given"
        return Look(state, reason=self._scrub(reason) if state == "failed" else "")

    def cancel(self, task: str) -> bool:
        """Ask for a job to be cancelled; False where the service does not do it or does not answer."""
        try:
            return bool(self._qcloud.QCloudJob(task).cancel())
        except RuntimeError:
            return False


def read_counts(detail: dict[str, Any], bits: Sequence[int], shots: int) -> list[Counts]:
    """Counts of all circuits of a finished job, from counts or from probabilities.

    Raises ValueError unless there is one distribution for each circuit, over its bits, and each adds up.
    """
    source, whole = detail.get("probCount"), shots
    if not source:  # a service that returns probabilities only
        source, whole = detail.get("taskResult"), 1
    if not isinstance(source, list) or len(source) != len(bits):
        raise ValueError(f"{len(source or [])} results for {len(bits)} circuits")
    out = []
    for text, width in zip(source, bits, strict=True):
        one = json.loads(text) if isinstance(text, str) else text
        if len(one["key"]) != len(one["value"]):
            raise ValueError("keys and values of a result differ in number")
        total = sum(one["value"])
        if not all(v >= 0 for v in one["value"]) or abs(total - whole) > 1e-3 * whole:
            raise ValueError(f"the counts of a circuit add up to {total}, not to {whole}")
        counts: Counts = {}
        for key, value in zip(one["key"], one["value"], strict=True):
            outcome = int(str(key), 16 if str(key).startswith("0x") else 2)
            if not 0 <= outcome < 2**width:
                raise ValueError(f"the outcome {key} does not fit {width} bits")
            counts[f"{outcome:b}"] = counts.get(f"{outcome:b}", 0) + round(value * shots / whole)
        out.append(counts)
    return out
