"""Evaluate one model: validation loss, answers to the test prompts, scores with their settings."""

import logging
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from tqdm import tqdm

from qft import records
from qft.config import EvaluationConfig, differences
from qft.data.template import Prompt
from qft.errors import QftError
from qft.evaluation.generate import generate
from qft.evaluation.loss import validation_loss
from qft.evaluation.score import score_all

log = logging.getLogger(__name__)


def open_predictions(folder: Path, settings: dict[str, Any], overwrite: bool) -> None:
    """Hold the folder's predictions to one set of settings: go on with equal ones, refuse others.

    ``overwrite`` removes predictions made with other settings.
    """
    path = folder / "evaluation.json"
    if path.exists():
        changed = differences(records.read_json(path), settings)
        if not changed:
            return
        if not overwrite:
            raise QftError(
                f"{folder} holds predictions made with other settings ({'; '.join(changed[:3])}); "
                "write elsewhere with out=DIR, or replace them with overwrite=true."
            )
    for name in ("predictions.jsonl", "base_predictions.jsonl", "metrics.json"):
        (folder / name).unlink(missing_ok=True)
    records.write_json(path, settings)


def evaluate(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Prompt],
    validation: list[dict[str, list[int]]],
    config: EvaluationConfig,
    folder: Path,
    base: bool = False,
) -> dict[str, Any]:
    """Validation loss, generation (resumed where it stopped) and scores of the model as it is.

    ``base``: with the adapter switched off; answers then go to base_predictions.jsonl.
    """
    switch: AbstractContextManager = model.disable_adapter() if base else nullcontext()
    path = folder / ("base_predictions.jsonl" if base else "predictions.jsonl")
    with switch:
        losses = validation_loss(model, tokenizer, validation, config.batch_size)
        rows = []
        answers = generate(model, tokenizer, prompts, config.max_new_tokens, config.batch_size, path)
        title = "base answers" if base else "answers"
        for row in tqdm(answers, title, total=len(prompts), file=sys.stderr, disable=not sys.stderr.isatty()):
            rows.append(row)
    scores = score_all([r["prediction"] for r in rows], [r["reference"] for r in rows], config.metrics)
    tokens = sum(r["tokens"] for r in rows)
    seconds = sum(r["seconds"] for r in rows)
    return {
        "validation": losses,
        "test": {
            s.name: {"value": s.value, "signature": s.signature, "higher_is_better": s.higher_is_better} for s in scores
        },
        "generation": {
            "answers": len(rows),
            "tokens": tokens,
            "unfinished": sum(not r["finished"] for r in rows),
            "prompts_truncated": sum(r["prompt_truncated"] for r in rows),
            "seconds": round(seconds, 2),
            "tokens_per_second": round(tokens / seconds, 1) if seconds else None,
        },
    }
