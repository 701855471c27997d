"""Scores of a run's answers once more, or others, from predictions.jsonl and without a model.

``qft score RUN evaluation.metrics=[reasoning]`` adds to the scores that are there or replaces those of the
same names; answers of the base (base_predictions.jsonl) are scored beside them.
"""

from pathlib import Path
from typing import Any

from qft import records
from qft.cli import _scoring
from qft.cli._output import log, start_logging
from qft.compose.words import words_as
from qft.config import ScoreConfig
from qft.errors import QftError
from qft.runs import directories


def arguments(args: list[str]) -> list[str]:
    """``qft score DIR`` is ``qft score run=DIR``."""
    return words_as("run", args)


def run(config: ScoreConfig, overrides: list[str]) -> None:
    """predictions.jsonl -> scores.jsonl and metrics.json."""
    start_logging(config.verbose)
    folder = directories.existing(config.run, config.output_dir)
    if not (folder / "predictions.jsonl").exists():
        raise QftError(f"{folder} holds no predictions.jsonl; answer first with qft eval run={folder}.")
    records.check_files(folder)
    document = _document(folder)
    metrics = config.evaluation.metrics or _metrics(folder, document)
    options = _scoring.metric_options(metrics, config.metric)
    from qft.evaluation import predictions, score
    from qft.training import model_card

    settings = records.read_json(folder / "evaluation.json")
    asked = settings.get("prompts") if isinstance(settings, dict) else None
    if not isinstance(asked, dict) or not isinstance(asked.get("count"), int):
        raise QftError(f"{folder / 'evaluation.json'} does not say what was asked; answer again with qft eval.")
    directory = records.RunDirectory(folder).open()
    try:
        directory.scoring()
        for prefix, key in (("", "metrics"), ("base_", "base")):
            if not (folder / f"{prefix}predictions.jsonl").exists():
                continue
            rows = predictions.complete(folder / f"{prefix}predictions.jsonl", asked)
            block = document.setdefault(key, {"generation": score.summary(rows)})
            log.info(
                "scoring %d answers of %sby %s",
                len(rows),
                f"the base, {folder} " if prefix else f"{folder} ",
                ", ".join(metrics),
            )
            block |= score.score_file(folder, rows, metrics, options, prefix, block)
        document = {"schema": records.SCHEMA, "settings": settings} | document
        records.write_json(folder / "metrics.json", document)
        directory.scored()
        if (folder / "adapter" / "README.md").exists():
            model_card.write(folder)
    finally:
        directory.close()
    kinds = {"base": document["base"]} if "base" in document else {}
    kinds["base" if settings.get("adapter") is None else "fine-tuned"] = document["metrics"]
    _scoring.report(config.format, folder, document, kinds, f"{folder} ({len(rows)} test answers)")
    log.info("written: %s/{metrics.json,scores.jsonl}", folder)


def _document(folder: Path) -> dict[str, Any]:
    """metrics.json as it is, or nothing. Raises QftError where it is damaged."""
    path = folder / "metrics.json"
    if not path.exists():
        return {}
    try:
        document = records.read_json(path)
    except QftError:
        document = None
    if not _whole(document):
        raise QftError(f"{path} is damaged; write it again with qft eval, or remove it to keep the scores only.")
    return document


def _whole(document: Any) -> bool:
    """Whether metrics.json is one: blocks of scores with their numbers, and names of metrics."""
    if not isinstance(document, dict) or not all(isinstance(document.get(k, {}), dict) for k in ("metrics", "base")):
        return False
    tests = [document.get(key, {}).get("test", {}) for key in ("metrics", "base")]
    named = document.get("scored_with", [])
    return (
        isinstance(named, list)
        and all(isinstance(name, str) for name in named)
        and all(isinstance(test, dict) and all(map(_is_score, test.values())) for test in tests)
        and all(map(_is_summary, (document.get(key, {}) for key in ("metrics", "base"))))
    )


def _is_summary(block: dict[str, Any]) -> bool:
    """Whether what stands beside the scores of a block is the numbers that are shown."""
    validation, generation = block.get("validation", {}), block.get("generation", {"answers": 0})
    return (
        isinstance(validation, dict)
        and all(isinstance(validation.get(key, 0), int | float) for key in ("loss", "perplexity"))
        and isinstance(generation, dict)
        and isinstance(generation.get("answers"), int)
    )


def _is_score(entry: Any) -> bool:
    if not isinstance(entry, dict) or "value" not in entry:
        return False
    value, interval = entry["value"], entry.get("interval") or []
    numbers = [] if value is None else [value]
    if not isinstance(entry.get("samples", 0), int):  # runs of earlier versions do not say how many
        return False
    return (
        isinstance(interval, list)
        and len(interval) in (0, 2)
        and all(isinstance(n, int | float) for n in [*numbers, *interval])
    )


def _metrics(folder: Path, document: dict[str, Any]) -> list[str]:
    """The metrics of the evaluation that made the answers, of the run's configuration where it was never finished."""
    if "scored_with" in document:
        return document["scored_with"]
    if records.RunDirectory(folder).complete:
        records.RunDirectory(folder).verify()
        return directories.saved_config(folder)["evaluation"]["metrics"]
    raise QftError(f"{folder} does not say what to score with; name it: evaluation.metrics=[bleu,rouge].")
