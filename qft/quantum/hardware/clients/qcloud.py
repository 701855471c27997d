"""Origin's QCloud through pyqpanda3's client: submit, look, cancel, and what its answers really say.

The client (0.5.1) reads a refused query (``success: false``, a bad key say) and a state it does not know as FAILED,
and reports every error as a bare RuntimeError: here the raw reply is read instead (``qcloud_answers.py``). Its own
time limit is 60 s a request, queries are tried three times, submissions once, redirects are not followed, and it has no
call that lists an account's jobs. The key is read from the environment and never leaves this file; texts of the
service pass through ``_scrub``.
"""

import json
import os
import threading
from collections.abc import Callable, Sequence
from typing import Any

from qft.errors import QftError, nearest
from qft.quantum.hardware import address
from qft.quantum.hardware.clients import qcloud_answers
from qft.quantum.hardware.clients.qcloud_answers import Faulty, Look

KEY = "QFT_QCLOUD_KEY"
STACK = 2**29  # bytes, of which only what is touched is taken
ALIASES = {"origin_wukong": "72"}  # the one name the client translates; others are chip ids as listed
SIMULATORS = ("full_amplitude", "partial_amplitude", "single_amplitude")  # listed, but take other options


class Refused(Exception):
    """The service certainly did not take a submission: it was not reached, or the request was turned down."""


class Busy(Refused):
    """It did not take it now, and may later."""


class Lost(Exception):
    """Whether the service took a submission is not known."""


def holds_key(text: str) -> bool:
    """Whether a text holds the key of this environment, if it has one."""
    key = os.environ.get(KEY, "").strip()
    return bool(key) and qcloud_answers.Scrubber(key).found_in(text)


def _with_room(ask: Callable[[], Any]) -> Any:
    """What ``ask`` returns or raises, called in a thread with room for answers nested millions of levels deep.

    The client reads them by recursion, and in the main thread's 8 MB a hundred thousand levels end the process.
    """
    done: list[tuple[Any, Exception | None]] = []

    def run() -> None:
        try:
            done.append((ask(), None))
        except Exception as error:
            done.append((None, error))

    before = threading.stack_size(STACK)
    try:
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
    except RuntimeError:  # no memory for it
        return ask()
    finally:
        threading.stack_size(before)
    thread.join()
    found, error = done[0]
    if error is not None:
        raise error
    return found


class Cloud:
    """One account at one address. Raises QftError without a key, without pyqpanda3, and for an unsafe address."""

    def __init__(self, url: str | None, plain_http: bool = False) -> None:
        address.check(url, plain_http)
        self.url = url
        key = os.environ.get(KEY, "").strip()
        if not key:
            raise QftError(f"The quantum cloud needs a key in the environment: export {KEY}=... (never in a config).")
        if not key.isascii() or not key.isprintable() or " " in key:
            raise QftError(f"The key in {KEY} has characters that no key has; copy it again.")
        self._scrub = qcloud_answers.Scrubber(key)
        if url and self._scrub.found_in(url):
            raise QftError("backend.url holds the key: write the address without it.")
        try:
            from pyqpanda3 import qcloud
        except ImportError:
            raise QftError("backend=qcloud needs the extra: pip install 'qft[pyqpanda]'.") from None
        self._qcloud: Any = qcloud  # its stubs name nothing
        try:
            self._service = self._qcloud.QCloudService(*([key, url] if url else [key]))
        except (RuntimeError, ValueError) as error:
            raise QftError(f"The quantum cloud does not take this key: {self._scrub(error)}") from None

    def check_chip(self, chip: str) -> None:
        """Ask for the list of chips. Raises QftError where there is no such chip or no sensible answer."""
        try:
            listed = dict(self._answer(self._service.backends))
        except Faulty as error:
            raise QftError(
                f"The quantum cloud{self._at()} does not list its chips ({error}); check the network, "
                f"backend.url and the key in {KEY}. Nothing was sent."
            ) from None
        chips = {self._scrub(name): online for name, online in listed.items() if name not in SIMULATORS}
        found = chips.get(chip, chips.get(ALIASES.get(chip, "")))
        if found is None:
            names = [*chips, *(alias for alias, name in ALIASES.items() if name in chips)]
            raise QftError(f"backend.chip={chip} does not exist at the quantum cloud.{nearest(chip, names[:20])}")
        if not found:
            raise QftError(f"backend.chip={chip} is offline; try again later. Nothing was sent.")

    def _at(self) -> str:
        return f" at {self.url}" if self.url else ""

    def _answer(self, ask: Callable[[], Any]) -> Any:
        """What the client says. Raises Faulty for whatever it raises, which depends on how an answer is broken."""
        try:
            return _with_room(ask)
        except Exception as error:
            raise Faulty(self._scrub(error)) from None

    def programs(self, texts: Sequence[str], options: str) -> tuple[list[Any], Any]:
        """OriginIR texts and options (JSON) as the client's own objects: what can go wrong before sending does here.

        Raises QftError where the client does not take them.
        """
        from pyqpanda3 import intermediate_compiler

        read: Any = intermediate_compiler
        try:
            settings = self._qcloud.QCloudOptions(is_prob_counts=True, **json.loads(options))
        except (TypeError, ValueError, RuntimeError) as error:
            said = self._scrub(str(error).partition("\n")[0])
            raise QftError(f"The client does not take the options {self._scrub(options)}: {said}") from None
        try:
            return [read.convert_originir_string_to_qprog(text) for text in texts], settings
        except (TypeError, ValueError, RuntimeError) as error:
            raise QftError(f"The client cannot read a circuit of the journal: {self._scrub(error)}") from None

    def submit(self, chip: str, programs: list[Any], shots: int, settings: Any) -> str:
        """Send circuits as one job and return the service's id. Raises Refused, Busy or Lost."""
        try:
            task = _with_room(lambda: self._service.backend(chip).run(programs, shots, settings).job_id())
        except Exception as error:
            kind = {"refused": Refused, "busy": Busy, "lost": Lost}[qcloud_answers.submission(str(error))]
            raise kind(self._scrub(error)) from None
        if not qcloud_answers.is_task(task):
            raise Lost(f"the answer holds no id but {self._scrub(task)!r}" if task else "the answer holds no id")
        if self._scrub.found_in(task):
            raise Lost("the id in the answer holds the key")
        return str(task)

    def look(self, task: str, bits: Sequence[int], shots: int) -> Look:
        """Query a job whose circuits measure so many ``bits`` each. Raises Faulty where the answer decides nothing."""
        raw = self._answer(lambda: self._qcloud.QCloudJob(task).query().origin_data())
        try:
            found = qcloud_answers.read_look(raw, task, bits, shots)
        except Faulty as error:
            raise Faulty(self._scrub(error)) from None
        return Look(found.state, found.counts, self._scrub(found.reason))

    def cancel(self, task: str) -> bool:
        """Ask for a job to be cancelled; False where the service does not do it or does not answer."""
        try:
            return self._answer(lambda: self._qcloud.QCloudJob(task).cancel()) is True
        except Faulty:
            return False
