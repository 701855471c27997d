"""What the replies of Origin's cloud say; nothing is believed before it is checked.

A reply to a query, as the client hands it on:

    {"success": true, "obj": {"taskId": "T", "taskState": "3", "probCount": ["{'key': ['0x0'], 'value': [9]}"]}}
"""

import json
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from qft.quantum.hardware.clients.base import Busy, Counts, Faulty, JobStatus, Lost, Refused, State

STATES: dict[str, State] = {"1": "waiting", "2": "computing", "3": "finished", "4": "failed", "5": "queuing"}
LONGEST = 2**28  # characters of a reply that is read; 50 circuits of 1,000 shots take 3 million
TOLERANCE = 1e-3  # of a distribution's sum
# the request itself was turned down; others, such as 408, 409, 499 and 5xx, may come after it was taken
REFUSALS = (400, 401, 402, 403, 404, 405, 406, 411, 413, 414, 415, 422, 431)
_STATUS = re.compile(r"QCloud HTTP request failed with status (\d{3}): ?(.*)", re.DOTALL)
_UNREACHED = re.compile(
    r"curl_easy_perform failed: .*(connect to server|Failed to connect|resolve host|SSL certificate problem)",
    re.IGNORECASE,
)
_TASK = re.compile(r"[A-Za-z0-9._:+/=-]{1,128}")


def is_task(text: object) -> bool:
    """Whether this can be a job's id at the service."""
    return isinstance(text, str) and _TASK.fullmatch(text) is not None


def submission(error: str) -> type[Refused | Lost]:
    """What an error of the client says of the submission that it answers: Refused, Busy or Lost."""
    if _UNREACHED.match(error):
        return Refused
    if not (reply := _STATUS.match(error)):
        return Lost
    status, body = int(reply[1]), reply[2]
    if status == 429:  # of the service itself, which says that it did not take it; a proxy's may come after it did
        return Busy if re.search(r'"success"\s*:\s*false', body) and '"taskId"' not in body else Lost
    return Refused if status in REFUSALS else Lost


def read_status(raw: str, task: str) -> JobStatus:
    """Read the state of a job from the reply to a query.

    Args:
        raw: The reply as the client hands it on.
        task: The id that was asked about.

    Raises:
        Faulty: The reply is about another job, or cannot be read.
    """
    with _readable():
        reply = _about(task, raw)
        detail = reply["obj"]
        state = STATES[str(detail["taskState"])]
        reason = detail.get("errorMessage") or detail.get("errorDetail") or reply.get("message") or "no reason given"
        return JobStatus(state, str(reason) if state == "failed" else "")


def read_results(raw: str, task: str, bits: Sequence[int], shots: int) -> list[Counts]:
    """Read the counts of a finished job from the reply to a query.

    Args:
        raw: The reply as the client hands it on.
        task: The id that was asked about.
        bits: How many bits each circuit of the job measures.
        shots: How often each circuit was to be run.

    Raises:
        Faulty: The reply is about another job, or one that has not finished, cannot be read, or does not fit ``bits``
            and ``shots``.
    """
    with _readable():
        detail = _about(task, raw)["obj"]
        if STATES[str(detail["taskState"])] != "finished":
            raise Faulty("the job had finished, and now has not")
        return read_counts(detail, bits, shots)


def _about(task: str, raw: str) -> Any:
    """The reply as JSON, if it is about this job."""
    if len(raw) > LONGEST:
        raise Faulty(f"the answer has {len(raw):,} characters")
    reply = json.loads(raw)
    if reply["success"] is not True:
        raise Faulty(f"the query was refused: {reply.get('message')}")
    if reply["obj"]["taskId"] != task:
        raise Faulty(f"the answer is about another job, {str(reply['obj']['taskId'])[:50]}")
    return reply


@contextmanager
def _readable() -> Iterator[None]:
    """Whatever a broken reply makes of the code in the block, as Faulty."""
    try:
        yield
    except KeyError as error:
        raise Faulty(f"the answer has an unknown state or lacks a field: {error}") from None
    except RecursionError:
        raise Faulty("the answer cannot be read: it is nested too deeply") from None
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise Faulty(f"the answer cannot be read: {error}") from None


def read_counts(detail: dict[str, Any], bits: Sequence[int], shots: int) -> list[Counts]:
    """Counts of all circuits of a finished job, from counts or from probabilities.

    Raises ValueError unless there is one distribution for each circuit, over its bits, and each adds up.
    """
    source, whole = detail.get("probCount"), shots
    if not source:  # a service that returns probabilities only
        source, whole = detail.get("taskResult"), 1
    if not isinstance(source, list) or len(source) != len(bits):
        number = len(source) if isinstance(source, list) else "no list of"
        raise ValueError(f"{number} results for {len(bits)} circuits")
    return [_distribution(one, width, shots, whole) for one, width in zip(source, bits, strict=True)]


def _distribution(text: Any, width: int, shots: int, whole: int) -> Counts:
    one = json.loads(text) if isinstance(text, str) else text
    keys, values = one["key"], one["value"]
    if not isinstance(keys, list) or not isinstance(values, list) or len(keys) != len(values):
        raise ValueError("keys and values of a result differ in number")
    if not all(type(v) in (int, float) and math.isfinite(v) and v >= 0 for v in values):
        raise ValueError("a result has a value that is no count and no probability")
    if abs(sum(values) - whole) > TOLERANCE * whole:
        raise ValueError(f"the counts of a circuit add up to {sum(values)}, not to {whole}")
    counts: Counts = {}
    for key, value in zip(keys, values, strict=True):
        outcome = f"{_outcome(key, width):b}"
        if outcome in counts:
            raise ValueError(f"the outcome {key} comes twice")
        counts[outcome] = round(value * shots / whole)
    return counts


def _outcome(key: Any, width: int) -> int:
    """An outcome written as 0x... or in ``width`` bits at most."""
    if isinstance(key, str) and re.fullmatch(r"0x[0-9a-fA-F]+|[01]+", key):
        outcome = int(key, 16 if key.startswith("0x") else 2)
        if outcome < 2**width and (key.startswith("0x") or len(key) <= width):
            return outcome
    raise ValueError(f"the outcome {str(key)[:50]} does not fit {width} bits")
