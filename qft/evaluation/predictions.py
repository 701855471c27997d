"""predictions.jsonl: the rows of a run's answers, held to the prompts they are answers to."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from qft.data.template import Prompt
from qft.errors import QftError
from qft.evaluation.metrics.base import Pair
from qft.records import Prediction, Prompts, read_lines


def read(path: Path) -> list[Prediction]:
    """All whole lines, in the file's order; a last line without its newline was cut and is left out, with a warning.

    Raises QftError, with file, row and reason, for anything else that is no answer.
    """
    return read_lines(path, Prediction)


def of_prompts(path: Path, prompts: Sequence[Prompt]) -> dict[int, Prediction]:
    """The rows of a file by the position of the prompt they answer. Raises QftError for a row that answers none."""
    places = {(p.id, p.turn): k for k, p in enumerate(prompts)}
    out: dict[int, Prediction] = {}
    for number, row in enumerate(read(path), 1):
        place = places.get((row.id, row.turn))
        reason = None
        if place is None:
            reason = f"{row.id}, turn {row.turn} is not asked here: the row is of another split"
        elif row.reference != prompts[place].reference:
            reason = f"{row.id}, turn {row.turn} has another reference than the data"
        elif place in out:
            reason = f"{row.id}, turn {row.turn} stands there twice"
        if reason or place is None:
            raise QftError(f"{path}, row {number}: {reason}; remove the row, or write elsewhere with out=DIR.")
        out[place] = row
    return out


def digest(asked: Iterable[tuple[str, int, str]]) -> Prompts:
    """What tells two lists of questions apart: their number and a SHA-256 over (id, turn, reference)."""
    listed = [list(a) for a in asked]
    return Prompts(len(listed), hashlib.sha256(json.dumps(listed).encode()).hexdigest())


def complete(path: Path, asked: Prompts) -> list[Prediction]:
    """All rows of a finished file. Raises QftError unless they answer what evaluation.json says was asked."""
    rows = read(path)
    if len(rows) < asked.count:
        raise QftError(
            f"{path} holds {len(rows)} of {asked.count} answers; repeat qft eval, which goes on where it stopped."
        )
    if digest((r.id, r.turn, r.reference) for r in rows) != asked:
        raise QftError(
            f"{path} does not hold the answers that evaluation.json beside it announces ({len(rows)} rows, the first "
            f"{rows[0].id}; {asked.count} asked): it comes from another split or evaluation."
        )
    return rows


def pairs(rows: Iterable[Prediction]) -> list[Pair]:
    """Rows as what the metrics judge."""
    return [Pair(r.prediction, r.reference, r.prompt, r.finished, r.answer) for r in rows]
