"""predictions.jsonl: one answer a line, read strictly: a line that is not ours is an error that names it.

A line::

    {"id": "case_3084", "turn": 7, "prompt": ..., "reference": ..., "answer": null, "prediction": ..., "tokens": 31,
     "prompt_tokens": 212, "finished": true, "prompt_truncated": false, "seconds": 0.4, "peak_memory_bytes": 912384000}

``answer``: the final answer that can be verified, where the data state one. ``finished``: an end token was written
before the length limit. ``seconds``: since the batch began or its last finished answer, so that they add up to the
time spent. ``peak_memory_bytes``: of the process (of the GPU's allocations) by then.
"""

import hashlib
import json
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from qft.data.template import Prompt
from qft.errors import QftError
from qft.evaluation.metrics.base import Pair
from qft.records import strict_json

log = logging.getLogger(__name__)

_TYPES: dict[str, tuple[type, ...]] = {
    "id": (str,),
    "turn": (int,),
    "prompt": (str,),
    "reference": (str,),
    "answer": (str, type(None)),
    "prediction": (str,),
    "tokens": (int,),
    "prompt_tokens": (int,),
    "finished": (bool,),
    "prompt_truncated": (bool,),
    "seconds": (int, float),
    "peak_memory_bytes": (int, float, type(None)),
}
_NEEDED = ("id", "turn", "prompt", "reference", "prediction", "tokens", "finished", "seconds")


def read(path: Path) -> list[dict[str, Any]]:
    """All whole lines, in the file's order; a last line without its newline was cut and is left out, with a note.

    Raises QftError, with file, row and reason, for anything else that is no answer.
    """
    try:
        *lines, rest = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise QftError(f"{path} cannot be read: {error.strerror}.") from error
    if rest:
        log.warning("%s, row %d: cut off in the middle of the line; it does not count.", path, len(lines) + 1)
    return [_row(path, number, line) for number, line in enumerate(lines, 1)]


def _row(path: Path, number: int, line: bytes) -> dict[str, Any]:
    def refuse(reason: str) -> QftError:
        return QftError(
            f"{path}, row {number}: {reason}; repair it, or remove it and repeat qft eval, which answers it again."
        )

    try:
        row = strict_json(line)
    except (ValueError, RecursionError) as error:
        raise refuse(f"not JSON ({error})") from None
    if not isinstance(row, dict):
        raise refuse("not a JSON object")
    if missing := [k for k in _NEEDED if k not in row]:
        raise refuse(f"'{missing[0]}' is missing (there is: {', '.join(row) or 'nothing'})")
    for key, kinds in _TYPES.items():
        value = row.get(key)
        if key in row and (not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds)):
            wanted = " or ".join("null" if k is type(None) else k.__name__ for k in kinds)
            raise refuse(f"'{key}' is {json.dumps(value, ensure_ascii=False)[:60]}, not {wanted}")
    return row


def of_prompts(path: Path, prompts: Sequence[Prompt]) -> dict[int, dict[str, Any]]:
    """The rows of a file by the position of the prompt they answer. Raises QftError for a row that answers none."""
    places = {(p.id, p.turn): k for k, p in enumerate(prompts)}
    out: dict[int, dict[str, Any]] = {}
    for number, row in enumerate(read(path), 1):
        place = places.get((row["id"], row["turn"]))
        reason = None
        if place is None:
            reason = f"{row['id']}, turn {row['turn']} is not asked here: the row is of another split"
        elif row["reference"] != prompts[place].reference:
            reason = f"{row['id']}, turn {row['turn']} has another reference than the data"
        elif place in out:
            reason = f"{row['id']}, turn {row['turn']} stands there twice"
        if reason or place is None:
            raise QftError(f"{path}, row {number}: {reason}; remove the row, or write elsewhere with out=DIR.")
        out[place] = row
    return out


def digest(asked: Iterable[tuple[str, int, str]]) -> dict[str, Any]:
    """What tells two lists of questions apart: their number and a SHA-256 over (id, turn, reference)."""
    listed = [list(a) for a in asked]
    return {"count": len(listed), "sha256": hashlib.sha256(json.dumps(listed).encode()).hexdigest()}


def complete(path: Path, asked: dict[str, Any]) -> list[dict[str, Any]]:
    """All rows of a finished file. Raises QftError unless they answer what evaluation.json says was asked."""
    rows = read(path)
    if len(rows) < asked["count"]:
        raise QftError(
            f"{path} holds {len(rows)} of {asked['count']} answers; repeat qft eval, which goes on where it stopped."
        )
    if digest((r["id"], r["turn"], r["reference"]) for r in rows) != asked:
        raise QftError(
            f"{path} does not hold the answers that evaluation.json beside it announces ({len(rows)} rows, the first "
            f"{rows[0]['id']}; {asked['count']} asked): it comes from another split or evaluation."
        )
    return rows


def pairs(rows: Iterable[dict[str, Any]]) -> list[Pair]:
    """Rows as what the metrics judge."""
    return [Pair(r["prediction"], r["reference"], r["prompt"], r["finished"], r.get("answer")) for r in rows]
