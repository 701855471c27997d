"""What answers of Origin's cloud say, none of which is believed before it is checked.

A reply to a query, as the client hands it on:

    {"success": true, "obj": {"taskId": "T", "taskState": "3", "probCount": ["{'key': ['0x0'], 'value': [9]}"]}}
"""

import base64
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from qft.names import visible
from qft.quantum.hardware.journal import Counts

STATES = {"1": "waiting", "2": "computing", "3": "finished", "4": "failed", "5": "queuing"}
LONGEST = 2**28  # characters of a reply that are looked at; 50 circuits of 1,000 shots have 3 million
TOLERANCE = 1e-3  # of a distribution's sum
# the request itself was turned down; others, such as 408, 409, 499 and 5xx, may come after it was taken
REFUSALS = (400, 401, 402, 403, 404, 405, 406, 411, 413, 414, 415, 422, 431)
_STATUS = re.compile(r"QCloud HTTP request failed with status (\d{3}): ?(.*)", re.DOTALL)
_UNREACHED = re.compile(
    r"curl_easy_perform failed: .*(connect to server|Failed to connect|resolve host|SSL certificate problem)",
    re.IGNORECASE,
)
_TASK = re.compile(r"[A-Za-z0-9._:+/=-]{1,128}")


class Faulty(Exception):
    """An answer that says nothing about a job: no connection, an error of the service, or one it cannot mean."""


@dataclass(frozen=True)
class Look:
    """What a query says of a job: a value of STATES, the counts once finished, the reason where it failed."""

    state: str
    counts: list[Counts] | None = None
    reason: str = ""


class Scrubber:
    """Takes a secret, in every form it is likely to be echoed in, and control characters out of texts."""

    def __init__(self, secret: str) -> None:
        forms = {secret, quote(secret, safe=""), json.dumps(secret)[1:-1], secret.encode().hex()}
        # base64 of a text that holds the secret depends on where in it the secret starts; the middle is the same
        forms |= {base64.b64encode(b"x" * k + secret.encode()).decode()[4 if k else 0 : -4] for k in range(3)}
        patterns = [re.escape(f) for f in sorted(forms, key=len, reverse=True) if len(f) > 3]
        if len(secret) >= 16:  # cut off: the client shortens what it quotes
            patterns.append(re.escape(secret[:8]) + r"[^\s\"']*")
        self._forms = re.compile("|".join(patterns), re.IGNORECASE)

    def __call__(self, text: object) -> str:
        """At most 200 characters of it, on one line."""
        return visible(self._forms.sub("***", str(text)))[:200]

    def found_in(self, text: str) -> bool:
        """Whether the secret is in a text."""
        return self._forms.search(text) is not None


def is_task(text: object) -> bool:
    """Whether this can be a job's id at the service."""
    return isinstance(text, str) and _TASK.fullmatch(text) is not None


def submission(error: str) -> str:
    """What an error says of the submission that it answers: "refused", "busy" (refused for now) or "lost"."""
    if _UNREACHED.match(error):
        return "refused"
    if not (found := _STATUS.match(error)):
        return "lost"
    status, body = int(found[1]), found[2]
    if status == 429:  # of the service itself, which says that it did not take it; a proxy's may come after it did
        return "busy" if re.search(r'"success"\s*:\s*false', body) and '"taskId"' not in body else "lost"
    return "refused" if status in REFUSALS else "lost"


def read_look(raw: str, task: str, bits: Sequence[int], shots: int) -> Look:
    """The reply to a query about ``task``, whose circuits measure so many ``bits`` each. Raises Faulty."""
    if len(raw) > LONGEST:
        raise Faulty(f"the answer has {len(raw):,} characters")
    try:
        reply = json.loads(raw)
        if reply["success"] is not True:
            raise Faulty(f"the query was refused: {reply.get('message')}")
        detail = reply["obj"]
        if detail["taskId"] != task:
            raise Faulty(f"the answer is about another job, {str(detail['taskId'])[:50]}")
        state = STATES[str(detail["taskState"])]
        if state == "finished":
            return Look(state, read_counts(detail, bits, shots))
        reason = detail.get("errorMessage") or detail.get("errorDetail") or reply.get("message") or "no reason given"
    except KeyError as error:
        raise Faulty(f"the answer has an unknown state or lacks a field: {error}") from None
    except RecursionError:
        raise Faulty("the answer cannot be read: it is nested too deeply") from None
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise Faulty(f"the answer cannot be read: {error}") from None
    return Look(state, reason=str(reason) if state == "failed" else "")


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
