"""The recipe of ``qft score``: new scores of existing answers, without a model."""

import logging
from dataclasses import replace
from pathlib import Path

from qft import records
from qft.config import ScoreConfig
from qft.errors import QftError
from qft.records import Metrics, Prompts, RunDirectory, Scores
from qft.runs import checks, stored

log = logging.getLogger(__name__)


def score(config: ScoreConfig) -> RunDirectory:
    """Score a run's answers again, or with other metrics.

    Scores of the same names are replaced, others stay. Answers of the base are scored beside them.

    Args:
        config: ``run`` is what ``evaluate`` wrote predictions.jsonl into; ``evaluation.metrics`` None means the
            metrics of the evaluation.

    Returns:
        The directory, with metrics.json and scores.jsonl written anew.

    Raises:
        QftError: There are no answers, or what lies beside them is damaged.
    """
    folder = stored.find(config.run, config.output_dir)
    if not (folder / "predictions.jsonl").exists():
        raise QftError(f"{folder} holds no predictions.jsonl; answer first with qft eval run={folder}.")
    records.check_files(folder)
    directory = RunDirectory(folder)
    document = directory.metrics() if (folder / Metrics.FILE).exists() else None
    metrics = config.evaluation.metrics or _metrics(directory, document)
    options = checks.metric_options(metrics, config.metric)
    settings = directory.settings()
    directory.open()
    try:
        directory.scoring()
        document = document or Metrics(settings, Scores())
        scored = _score(folder, document.metrics, metrics, options, settings.prompts)
        document = replace(document, metrics=scored)
        if (folder / records.answers("predictions", base=True)).exists():
            scored = _score(folder, document.base or Scores(), metrics, options, settings.prompts, base=True)
            document = replace(document, base=scored)
        directory.save(document)
        directory.scored()
        _write_card(folder)
    finally:
        directory.close()
    return directory


def _score(
    folder: Path, before: Scores, metrics: list[str], options: checks.Options, asked: Prompts, base: bool = False
) -> Scores:
    """Score one file of answers; ``before`` holds their earlier scores."""
    from qft.evaluation import predictions, score

    rows = predictions.complete(folder / records.answers("predictions", base), asked)
    if before.generation is None:
        before = replace(before, generation=score.summary(rows))
    log.info("scoring %d answers of %s%s by %s", len(rows), "the base, " if base else "", folder, ", ".join(metrics))
    return score.score_file(folder, rows, metrics, options, base, before)


def _write_card(folder: Path) -> None:
    from qft.training import model_card

    if (folder / "adapter" / "README.md").exists():
        model_card.write(folder, stored.read_config(folder))


def _metrics(directory: RunDirectory, document: Metrics | None) -> list[str]:
    """The metrics of the evaluation that made the answers, of the run's config where it was never finished."""
    if document and document.scored_with is not None:
        return document.scored_with
    if directory.complete:
        directory.verify()
        return list(stored.read_config(directory.path).evaluation.metrics or ())
    raise QftError(f"{directory.path} does not say what to score with; name it: evaluation.metrics=[bleu,rouge].")
