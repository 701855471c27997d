"""Origin's QCloud through pyqpanda3's client: submit, poll, cancel, and what its answers really say.

The client (0.5.1) reads a refused query (``success: false``, a bad key say) and a state it does not know as FAILED,
and reports every error as a bare RuntimeError: here the raw reply is read instead (``qcloud_answers.py``). Its own
time limit is 60 s a request, queries are tried three times, submissions once, redirects are not followed, and it has no
call that lists an account's jobs. The key is read from the environment and never leaves this file; texts of the
service pass through ``_scrub``.
"""

import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self

from qft.errors import QftError
from qft.names import shortened
from qft.quantum import export, pyqpanda3
from qft.quantum.hardware.chip import BoundOp
from qft.quantum.hardware.clients import qcloud_answers
from qft.quantum.hardware.clients.base import Batch, Client, Counts, Device, Faulty, JobStatus, Lost, Program
from qft.quantum.hardware.clients.keys import Scrubber, check_address

KEY = "QFT_QCLOUD_KEY"
STACK = 2**29  # bytes, of which only what is touched is taken
ALIASES = {"origin_wukong": "72"}  # the one name the client translates; others are chip ids as listed
SIMULATORS = ("full_amplitude", "partial_amplitude", "single_amplitude")  # listed, but take other options


class QCloud(Client):
    """One account at one address.

    Args:
        url: The address; None leaves it to pyqpanda3's client.
        plain_http: The user accepts that the key is sent unencrypted.

    Raises:
        QftError: There is no key in the environment, no pyqpanda3, or the address is unsafe.
    """

    service = "the quantum cloud"

    def __init__(self, url: str | None, plain_http: bool = False) -> None:
        check_address(url, plain_http)
        self.url = url
        key = _key()
        if not key:
            raise QftError(f"The quantum cloud needs a key in the environment: export {KEY}=... (never in a config).")
        if not key.isascii() or not key.isprintable() or " " in key:
            raise QftError(f"The key in {KEY} has characters that no key has; copy it again.")
        self._scrub = Scrubber(key)
        if url and self._scrub.found_in(url):
            raise QftError("backend.url holds the key: write the address without it.")
        self._qcloud = pyqpanda3.load("qcloud", "qcloud")
        self._compiler = pyqpanda3.load("intermediate_compiler", "qcloud")
        try:
            self._service = self._qcloud.QCloudService(*([key, url] if url else [key]))
        except (RuntimeError, ValueError) as error:
            raise QftError(f"The quantum cloud does not take this key: {self._scrub(error)}") from None

    @classmethod
    def connect(cls, options: Mapping[str, Any]) -> Self:
        return cls(options["url"], options["plain_http"])

    @staticmethod
    def write(qubits: int, ops: Sequence[BoundOp], measured: Sequence[int], decimals: int) -> str:
        return export.originir(qubits, ops, measured, decimals)

    @staticmethod
    def check_task(task: str) -> None:
        if not qcloud_answers.is_task(task):
            raise QftError(f"task={shortened(task)!r} cannot be the id of a job.")
        if (key := _key()) and Scrubber(key).found_in(task):
            raise QftError("task= holds the key; write the service's id of the job.")

    def devices(self) -> list[Device]:
        try:
            listed = dict(self._ask(self._service.backends))
        except Faulty as error:
            at = f" at {self.url}" if self.url else ""
            raise QftError(
                f"The quantum cloud{at} does not list its chips ({error}); check the network, backend.url and the key "
                f"in {KEY}. Nothing was sent."
            ) from None
        chips = {self._scrub(name): bool(online) for name, online in listed.items() if name not in SIMULATORS}
        return [Device(c, online, aliases=tuple(a for a in ALIASES if ALIASES[a] == c)) for c, online in chips.items()]

    def check_options(self, options: str) -> Any:
        """The options (JSON) as the client's own object. Raises QftError where the client does not take them."""
        try:
            return self._qcloud.QCloudOptions(is_prob_counts=True, **json.loads(options))
        except (TypeError, ValueError, RuntimeError) as error:
            reason = self._scrub(str(error).partition("\n")[0])
            raise QftError(f"The client does not take the options {self._scrub(options)}: {reason}") from None

    def prepare(self, programs: Sequence[Program]) -> Batch:
        first = programs[0]
        settings = self.check_options(first.options)
        try:
            read = [self._compiler.convert_originir_string_to_qprog(program.text) for program in programs]
        except (TypeError, ValueError, RuntimeError) as error:
            raise QftError(f"The client cannot read a circuit of the journal: {self._scrub(error)}") from None
        return Batch(first.chip, first.shots, read, settings)

    def submit(self, batch: Batch, token: str) -> str:  # the service takes no token
        try:
            chip = self._service.backend(batch.chip)
            task = _with_room(lambda: chip.run(batch.programs, batch.shots, batch.settings).job_id())
        except Exception as error:
            raise qcloud_answers.submission(str(error))(self._scrub(error)) from None
        if not qcloud_answers.is_task(task):
            raise Lost(f"the answer holds no id but {self._scrub(task)!r}" if task else "the answer holds no id")
        if self._scrub.found_in(task):
            raise Lost("the id in the answer holds the key")
        return str(task)

    def poll(self, task: str) -> JobStatus:
        with self._without_key():
            status = qcloud_answers.read_status(self._query(task), task)
        return JobStatus(status.state, self._scrub(status.reason))

    def fetch(self, task: str, programs: Sequence[Program]) -> list[Counts]:
        bits = [program.text.count("MEASURE") for program in programs]
        with self._without_key():
            return qcloud_answers.read_results(self._query(task), task, bits, programs[0].shots)

    def _query(self, task: str) -> str:
        return str(self._ask(lambda: self._qcloud.QCloudJob(task).query().origin_data()))

    @contextmanager
    def _without_key(self) -> Iterator[None]:
        try:
            yield
        except Faulty as error:
            raise Faulty(self._scrub(error)) from None

    def cancel(self, task: str) -> bool:
        try:
            return self._ask(lambda: self._qcloud.QCloudJob(task).cancel()) is True
        except Faulty:
            return False

    def _ask(self, request: Callable[[], Any]) -> Any:
        """What the client returns. Raises Faulty for whatever it raises, which depends on how an answer is broken."""
        try:
            return _with_room(request)
        except Exception as error:
            raise Faulty(self._scrub(error)) from None


def _key() -> str:
    return os.environ.get(KEY, "").strip()


def _with_room(request: Callable[[], Any]) -> Any:
    """What ``request`` returns or raises, called in a thread with room for answers nested millions of levels deep.

    The client reads them by recursion, and in the main thread's 8 MB a hundred thousand levels end the process.
    """
    outcome: list[tuple[Any, Exception | None]] = []

    def run() -> None:
        try:
            outcome.append((request(), None))
        except Exception as error:
            outcome.append((None, error))

    before = threading.stack_size(STACK)
    try:
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
    except RuntimeError:  # no memory for it
        return request()
    finally:
        threading.stack_size(before)
    thread.join()
    result, error = outcome[0]
    if error is not None:
        raise error
    return result


CLIENT = QCloud
