"""Evaluate one model: validation loss and answers to the test prompts. Their scores come after (``score.py``)."""

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from qft.adapters.generation import generating
from qft.config import differences
from qft.data.template import Encoded, Prompt
from qft.errors import QftError
from qft.evaluation import predictions
from qft.evaluation.decoding import Decoding, batch_size
from qft.evaluation.generate import generate
from qft.evaluation.loss import batches, sample_losses, summarise
from qft.evaluation.score import summary
from qft.progress import watched
from qft.quantum.backends.base import Backend
from qft.records import (
    ANSWERS,
    EvaluationSettings,
    Loss,
    Metrics,
    Prediction,
    RunDirectory,
    Scores,
    ValidationRow,
    answers,
    to_json,
    write_lines,
)


def check_predictions(folder: Path, settings: EvaluationSettings, overwrite: bool) -> bool:
    """Whether the predictions in a folder were made with these settings. Changes nothing.

    Args:
        folder: Directory of the evaluation.
        settings: Those of the evaluation that is about to start.
        overwrite: Whether other predictions are to be replaced.

    Raises:
        QftError: They were made with other settings, or the settings are damaged or missing, and ``overwrite`` is
            false.
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
    if not overwrite and (present := [n for n in ANSWERS if (folder / n).exists()]):
        missing = EvaluationSettings.FILE
        raise QftError(f"{folder / present[0]} has no {missing} beside it; replace both with overwrite=true.")
    return False


def open_predictions(folder: Path, settings: EvaluationSettings, overwrite: bool) -> None:
    """Get a folder ready for predictions with these settings: earlier ones are resumed or removed.

    Raises QftError like ``check_predictions``, and writes the settings where there are none yet.
    """
    if check_predictions(folder, settings, overwrite):
        return
    for name in (*ANSWERS, *(f"base_{n}" for n in ANSWERS), Metrics.FILE):
        (folder / name).unlink(missing_ok=True)
    RunDirectory(folder).save(settings)


def recorded_batch_size(folder: Path) -> int | None:
    """The batch size of an evaluation that has begun in this folder, so that an automatic choice is made only once."""
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
    """The loss of a model on the validation set and its answers to the prompts, resumed where they stopped.

    Args:
        model: With its adapter, if it has one.
        tokenizer: The model's.
        prompts: What it answers.
        validation: The validation set; of a set for testing only it is empty, and no loss is measured.
        decoding: How answers are written.
        folder: Directory of the evaluation.
        backend: Evaluates the circuits of the adapter.
        base: Switch the adapter off. The files are then called base_predictions.jsonl and base_validation.jsonl.

    Returns:
        What metrics.json says of loss and answers, not scored yet, and the answers.
    """
    switch: AbstractContextManager[Any] = model.disable_adapter() if base else nullcontext()
    path = folder / answers("predictions", base)
    loss: Loss | None = None
    circuits_per_token: float | None = None
    with switch:
        if validation.rows:
            loss, circuits_per_token = _validate(model, tokenizer, validation, decoding, folder, backend, base)
        made = generate(model, tokenizer, prompts, decoding, path)
        title = "base answers" if base else "answers"
        with nullcontext() if base else generating(model):
            for _ in tqdm(made, title, total=len(prompts), file=sys.stderr, disable=not watched()):
                pass
    rows = predictions.read(path)
    # for an answer of t tokens to a prompt of p tokens, p + t - 1 are fed to the model
    fed = sum(row.prompt_tokens + row.tokens - 1 for row in rows)
    circuits = None if circuits_per_token is None else round(circuits_per_token * fed)
    cost = replace(summary(rows), circuits_per_token=circuits_per_token, circuits=circuits)
    return Scores(validation=loss, generation=cost), rows


def _validate(
    model: Any, tokenizer: Any, validation: Encoded, decoding: Decoding, folder: Path, backend: Backend, base: bool
) -> tuple[Loss, float]:
    """The loss on the validation set, which is written row by row, and the circuits evaluated per token."""
    longest = max(len(row["input_ids"]) for row in validation.rows)
    size = min(decoding.batch_size, batch_size(model, longest, all_logits=True))
    before = backend.evaluations
    losses = sample_losses(model, tokenizer, validation.rows, size)
    circuits_per_token = (backend.evaluations - before) / _positions(validation.rows, size)
    loss = summarise(losses)  # before anything is written: it refuses a loss that is not finite
    rows = [ValidationRow(i, total / n, n) for i, (total, n) in zip(validation.ids, losses, strict=True)]
    write_lines(folder / answers("validation", base), rows)
    return loss, circuits_per_token


def _positions(rows: list[dict[str, list[int]]], size: int) -> int:
    """Token positions, padding included, of a pass over the rows in batches of ``size``."""
    widths = [len(row["input_ids"]) for row in rows]
    return sum(max(widths[k] for k in places) * len(places) for places in batches(widths, size))
