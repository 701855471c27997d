"""predictions.jsonl: the answers of a run, compared with the prompts they belong to."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from qft.data.template import Prompt
from qft.errors import QftError
from qft.evaluation.metrics.base import Pair
from qft.records import Prediction, Prompts, read_lines


def read(path: Path) -> list[Prediction]:
    """All complete lines, in order; none where there is no file. A last line without its newline is skipped, logged.

    Raises QftError, with file, row and reason, for a line that is not an answer.
    """
    return read_lines(path, Prediction)


def of_prompts(path: Path, prompts: Sequence[Prompt]) -> dict[int, Prediction]:
    """The answers of a file by the position of their prompt in ``prompts``.

    Raises QftError for one that belongs to no prompt, or to one that has been answered already.
    """
    places = {(p.id, p.turn): k for k, p in enumerate(prompts)}
    out: dict[int, Prediction] = {}
    for number, row in enumerate(read(path), 1):
        place = places.get((row.id, row.turn))
        reason = None
        if place is None:
            reason = f"{row.id}, turn {row.turn} is not one of the prompts: the row is of another split"
        elif row.reference != prompts[place].reference:
            reason = f"{row.id}, turn {row.turn} has another reference than the data"
        elif place in out:
            reason = f"{row.id}, turn {row.turn} is there twice"
        if reason or place is None:
            raise QftError(f"{path}, row {number}: {reason}; remove the row, or write elsewhere with out=DIR.")
        out[place] = row
    return out


def digest(prompts: Iterable[tuple[str, int, str]]) -> Prompts:
    """What tells two lists of prompts apart: their number, and a SHA-256 over (id, turn, reference) of each."""
    rows = [list(prompt) for prompt in prompts]
    return Prompts(len(rows), hashlib.sha256(json.dumps(rows).encode()).hexdigest())


def complete(path: Path, prompts: Prompts) -> list[Prediction]:
    """All answers of a finished file. Raises QftError unless they belong to the prompts that evaluation.json states."""
    rows = read(path)
    if len(rows) < prompts.count:
        raise QftError(
            f"{path} holds {len(rows)} of {prompts.count} answers; repeat qft eval, which resumes where it stopped."
        )
    if digest((r.id, r.turn, r.reference) for r in rows) != prompts:
        raise QftError(
            f"{path} does not hold the answers that evaluation.json beside it describes ({len(rows)} rows, the first "
            f"{rows[0].id}; {prompts.count} prompts): it comes from another split or evaluation."
        )
    return rows


def pairs(rows: Iterable[Prediction]) -> list[Pair]:
    """Answers as the metrics take them."""
    return [Pair(r.prediction, r.reference, r.prompt, r.finished, r.answer) for r in rows]
