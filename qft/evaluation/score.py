"""Answers -> scores, without a model: ``score_all(pairs, ["bleu", "rouge"])`` -> bleu4_formula, ..., rougel_standard.

``score_file`` also writes scores.jsonl, a line per answer in the order of predictions.jsonl::

    {"id": "case_3084", "turn": 7, "scores": {"rouge1_standard": 31.2, "sa": null}, "reasons": {"sa": "..."}}
"""

import hashlib
import inspect
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from qft import records
from qft.errors import QftError, nearest
from qft.evaluation import predictions
from qft.evaluation.intervals import interval
from qft.evaluation.metrics import load_metric, metric_names
from qft.evaluation.metrics.base import Pair, Score
from qft.records import Generation, Prediction, ScoreRow, Scores, answers, read_lines, write_lines

log = logging.getLogger(__name__)

Options = Mapping[str, Mapping[str, Any]]


def check(metrics: Sequence[str], options: Options | None = None) -> None:
    """Raise QftError for a metric that does not exist, and for an option that a metric does not take.

    ``metrics``: names of files in qft/evaluation/metrics; ``options``: metric -> its options.
    """
    for name in metrics:
        if name not in metric_names():
            raise QftError(f"metric={name} is unknown.{nearest(name, metric_names())}")
    for name, given in (options or {}).items():
        if name not in metric_names():
            raise QftError(f"metric.{name} is unknown.{nearest(name, metric_names())}")
        if not isinstance(given, Mapping):
            raise QftError(f"metric.{name}={given!r} should name an option of it: metric.{name}.OPTION=VALUE.")
        known = list(inspect.signature(load_metric(name).score).parameters)[1:]
        for key in given:
            if key not in known:
                raise QftError(f"There is no key 'metric.{name}.{key}'.{nearest(key, known)}")


def check_values(metrics: Sequence[str], options: Options) -> None:
    """Raise QftError where a metric cannot be computed with these options, before anything is trained or answered."""
    for name in metrics:
        load_metric(name).check(**options.get(name, {}))


def score_all(pairs: Sequence[Pair], metrics: Sequence[str], options: Options | None = None) -> list[Score]:
    """Compute the metrics, in this order, on pairs of answer and reference.

    ``options``: metric -> its options. Raises QftError where there are no pairs, or like ``check``.
    """
    check(metrics, options)
    if not pairs:
        raise QftError("There are no predictions to score; run the evaluation first.")
    return [s for name in metrics for s in load_metric(name).score(pairs, **(options or {}).get(name, {}))]


def score_file(
    folder: Path,
    rows: list[Prediction],
    metrics: Sequence[str],
    options: Options | None = None,
    base: bool = False,
    before: Scores | None = None,
) -> Scores:
    """Score answers, write scores.jsonl, and return what metrics.json says of them.

    Args:
        folder: Directory of the evaluation.
        rows: The answers, as ``predictions.complete`` returns them.
        metrics: Which metrics to compute.
        options: Metric -> its options.
        base: Whether they are answers of the model with its adapter switched off.
        before: What metrics.json said so far. Scores of other metrics are kept if they are of these same answers.
    """
    before = before or Scores()
    scores = score_all(predictions.pairs(rows), metrics, options)
    for s in scores:
        if s.value is None:
            log.warning("%s: %s", s.name, s.signature)
    scored = hashlib.sha256(json.dumps([(r.id, r.turn, r.prediction) for r in rows]).encode()).hexdigest()
    path = folder / answers("scores", base)
    test, lines = _earlier(path, rows, before) if before.scored == scored else _nothing(rows)
    for s in scores:
        test[s.name] = as_recorded(s)
        for k, line in enumerate(lines):
            line.scores[s.name] = s.per_sample[k]
            if s.reasons is not None:
                line.reasons[s.name] = s.reasons[k]
    write_lines(path, lines)
    return replace(before, test=test, scored=scored)


Lines = tuple[dict[str, records.Score], list[ScoreRow]]


def _nothing(rows: list[Prediction]) -> Lines:
    return {}, [ScoreRow(r.id, r.turn) for r in rows]


def _earlier(path: Path, rows: list[Prediction], before: Scores) -> Lines:
    """Earlier scores of the same answers; none, with a warning, where scores.jsonl is not complete."""
    try:
        lines = read_lines(path, ScoreRow)
    except QftError:
        lines = []
    if [(x.id, x.turn, set(x.scores)) for x in lines] != [(r.id, r.turn, set(before.test)) for r in rows]:
        log.warning("%s is missing or damaged: scores computed earlier are dropped.", path)
        return _nothing(rows)
    return dict(before.test), lines


def as_recorded(score: Score) -> records.Score:
    """A score as metrics.json holds it."""
    judged = sum(v is not None for v in score.per_sample)
    return records.Score(score.value, interval(score), score.signature, score.higher_is_better, judged)


def summary(rows: list[Prediction]) -> Generation:
    """What the answers cost: tokens, time and memory."""
    tokens, seconds = sum(r.tokens for r in rows), sum(r.seconds for r in rows)
    return Generation(
        answers=len(rows),
        tokens=tokens,
        unfinished=sum(not r.finished for r in rows),
        prompts_truncated=sum(r.prompt_truncated for r in rows),
        seconds=round(seconds, 2),
        tokens_per_second=round(tokens / seconds, 1) if seconds else None,
        seconds_per_token=seconds / tokens if tokens else None,
        peak_memory_bytes=max((r.peak_memory_bytes for r in rows if r.peak_memory_bytes is not None), default=None),
    )
