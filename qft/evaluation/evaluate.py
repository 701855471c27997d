"""Evaluate one model: validation loss and answers to the test prompts. Their scores come after (``score.py``)."""

import logging
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from qft.config import differences
from qft.data.template import Encoded, Prompt
from qft.errors import QftError
from qft.evaluation import predictions
from qft.evaluation.decoding import Decoding, batch_size
from qft.evaluation.generate import generate
from qft.evaluation.loss import sample_losses, summarise
from qft.evaluation.score import summary
from qft.progress import watched
from qft.quantum.backends.base import Backend
from qft.records import (
    ANSWERS,
    EvaluationSettings,
    Metrics,
    Prediction,
    RunDirectory,
    Scores,
    ValidationRow,
    answers,
    to_json,
    write_lines,
)

log = logging.getLogger(__name__)


def check_predictions(folder: Path, settings: EvaluationSettings, overwrite: bool) -> bool:
    """Whether the folder's predictions were made with these settings; changes nothing.

    Raises QftError where they were made with others or settings that are damaged, unless they are to be replaced
    (``overwrite``).
    """
    if (folder / EvaluationSettings.FILE).exists():
        try:
            changed = differences(to_json(RunDirectory(folder).settings()), to_json(settings))
        except QftError:
            if not overwrite:
                raise
            changed = ["damaged"]
        if changed and not overwrite:
            raise QftError(
                f"{folder} holds predictions made with other settings ({'; '.join(changed[:3])}); "
                "write elsewhere with out=DIR, or replace them with overwrite=true."
            )
        return not changed
    if not overwrite and (left := [n for n in ANSWERS if (folder / n).exists()]):
        missing = EvaluationSettings.FILE
        raise QftError(f"{folder / left[0]} has no {missing} beside it; replace both with overwrite=true.")
    return False


def open_predictions(folder: Path, settings: EvaluationSettings, overwrite: bool) -> None:
    """Hold the folder's predictions to one set of settings: go on with equal ones, refuse others.

    ``overwrite`` removes predictions made with other settings, and those under settings that are damaged.
    """
    if check_predictions(folder, settings, overwrite):
        return
    for name in (*ANSWERS, *(f"base_{n}" for n in ANSWERS), Metrics.FILE):
        (folder / name).unlink(missing_ok=True)
    RunDirectory(folder).save(settings)


def recorded_batch_size(folder: Path) -> int | None:
    """The batch size of an evaluation that was begun here: an automatic choice is made only once."""
    try:
        size = RunDirectory(folder).settings().batch_size
    except QftError:
        return None
    return size if size > 0 else None


def evaluate(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Prompt],
    validation: Encoded,
    decoding: Decoding,
    folder: Path,
    backend: Backend,
    base: bool = False,
) -> tuple[Scores, list[Prediction]]:
    """Validation loss and generation (resumed where it stopped) of the model as it is.

    Returns what metrics.json says of both, and the rows of predictions.jsonl. ``base``: with the adapter switched
    off; the files are then called base_predictions.jsonl and base_validation.jsonl.
    """
    switch: AbstractContextManager = model.disable_adapter() if base else nullcontext()
    with switch:
        longest = max(len(row["input_ids"]) for row in validation.rows)
        size = min(decoding.batch_size, batch_size(model, longest, all_logits=True))
        before = backend.evaluations
        losses = sample_losses(model, tokenizer, validation.rows, size)
        per_token = (backend.evaluations - before) / _positions(validation.rows, size)
        rows = [ValidationRow(i, s / n, n) for i, (s, n) in zip(validation.ids, losses, strict=True)]
        summed = summarise(losses)
        write_lines(folder / answers("validation", base), rows)
        path = folder / answers("predictions", base)
        answered = generate(model, tokenizer, prompts, decoding, path)
        title = "base answers" if base else "answers"
        for _ in tqdm(answered, title, total=len(prompts), file=sys.stderr, disable=not watched()):
            pass
    given = predictions.read(path)
    # of an answer of t tokens to a prompt of p, p + t - 1 are fed to the model
    fed = sum(p.prompt_tokens + p.tokens - 1 for p in given)
    cost = replace(summary(given), circuits_per_token=per_token, circuits=round(per_token * fed))
    return Scores(validation=summed, generation=cost), given


def _positions(rows: list[dict[str, list[int]]], size: int) -> int:
    """Token positions that a pass over the rows evaluates, padding included."""
    widths = [len(row["input_ids"]) for row in rows]
    batches = [widths[k : k + size] for k in range(0, len(widths), size)]
    return sum(max(b) * len(b) for b in batches)
