"""Answers -> scores, without a model: ``score_all(pairs, ["bleu", "rouge"])`` -> bleu4_formula, ..., rougel_standard.

``score_file`` also writes scores.jsonl, one line an answer in the order of predictions.jsonl::

    {"id": "case_3084", "turn": 7, "scores": {"rouge1_standard": 31.2, "sa": null}, "reasons": {"sa": "..."}}
"""

import hashlib
import inspect
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qft import records
from qft.errors import QftError, nearest
from qft.evaluation import predictions
from qft.evaluation.intervals import interval
from qft.evaluation.metrics import load_metric, metric_names
from qft.evaluation.metrics.base import Pair, Score
from qft.process import files

log = logging.getLogger(__name__)

Options = Mapping[str, Mapping[str, Any]]


def check(metrics: Sequence[str], options: Options | None = None) -> None:
    """Raise QftError for a metric that does not exist and for an option it does not take."""
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
    """Raise QftError where a metric cannot be computed with its options: before anything is trained or answered."""
    for name in metrics:
        load_metric(name).check(**options.get(name, {}))


def score_all(pairs: Sequence[Pair], metrics: Sequence[str], options: Options | None = None) -> list[Score]:
    """Compute each named metric on the pairs, in the order named; ``options``: metric -> its own options."""
    check(metrics, options)
    if not pairs:
        raise QftError("There are no predictions to score; run the evaluation first.")
    return [s for name in metrics for s in load_metric(name).score(pairs, **(options or {}).get(name, {}))]


def score_file(
    folder: Path,
    rows: list[dict[str, Any]],
    metrics: Sequence[str],
    options: Options | None = None,
    prefix: str = "",
    before: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Score the rows of ``{prefix}predictions.jsonl``, write ``{prefix}scores.jsonl``, return what metrics.json says.

    ``before``: what it said. Scores of other metrics stay where they are of these very answers.
    """
    scores = score_all(predictions.pairs(rows), metrics, options)
    for s in scores:
        if s.value is None:
            log.warning("%s: %s", s.name, s.signature)
    answers = hashlib.sha256(json.dumps([(r["id"], r["turn"], r["prediction"]) for r in rows]).encode()).hexdigest()
    path = folder / f"{prefix}scores.jsonl"
    test, lines = _kept(path, rows, before) if (before or {}).get("scored") == answers else _nothing(rows)
    for s in scores:
        test[s.name] = as_dict(s)
        for k, line in enumerate(lines):
            line["scores"][s.name] = s.per_sample[k]
            if s.reasons is not None:
                line["reasons"][s.name] = s.reasons[k]
    text = "".join(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n" for line in lines)
    files.write_text(path, text)
    return {"test": test, "scored": answers}


Lines = tuple[dict[str, Any], list[dict[str, Any]]]


def _nothing(rows: list[dict[str, Any]]) -> Lines:
    return {}, [{"id": r["id"], "turn": r["turn"], "scores": {}, "reasons": {}} for r in rows]


def _kept(path: Path, rows: list[dict[str, Any]], before: Mapping[str, Any] | None) -> Lines:
    """Earlier scores of the same answers; none, with a note, where the file of single scores is not whole."""
    test, lines = dict((before or {})["test"]), []
    try:
        lines = [records.strict_json(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
        whole = [(x["id"], x["turn"], set(x["scores"])) for x in lines] == [
            (r["id"], r["turn"], set(test)) for r in rows
        ]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        whole = False
    if not whole:
        log.warning("%s is missing or damaged: scores computed earlier are dropped.", path)
        return _nothing(rows)
    return test, lines


def as_dict(score: Score) -> dict[str, Any]:
    """A score as it stands in metrics.json; ``samples``: how many answers the value is of."""
    return {
        "value": score.value,
        "interval": interval(score),
        "signature": score.signature,
        "higher_is_better": score.higher_is_better,
        "samples": sum(v is not None for v in score.per_sample),
    }


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What the answers cost, from the rows alone."""
    tokens, seconds = sum(r["tokens"] for r in rows), sum(r["seconds"] for r in rows)
    peaks = [p for r in rows if (p := r.get("peak_memory_bytes")) is not None]
    return {
        "answers": len(rows),
        "tokens": tokens,
        "unfinished": sum(not r["finished"] for r in rows),
        "prompts_truncated": sum(r.get("prompt_truncated", False) for r in rows),
        "seconds": round(seconds, 2),
        "tokens_per_second": round(tokens / seconds, 1) if seconds else None,
        "seconds_per_token": seconds / tokens if tokens else None,
        "peak_memory_bytes": max(peaks, default=None),
    }
