"""Scores of a run's answers once more, or others, from predictions.jsonl and without a model.

``qft score RUN evaluation.metrics=[reasoning]`` adds to the scores that are there or replaces those of the
same names; answers of the base (base_predictions.jsonl) are scored beside them.
"""

from dataclasses import replace

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
    directory = records.RunDirectory(folder)
    document = directory.metrics() if (folder / records.Metrics.FILE).exists() else None
    metrics = config.evaluation.metrics or _metrics(directory, document)
    options = _scoring.metric_options(metrics, config.metric)
    from qft.evaluation import predictions, score
    from qft.training import model_card

    settings = directory.settings()
    directory.open()
    try:
        directory.scoring()
        document = document or records.Metrics(settings, records.Scores())
        for base in (False, True):
            if not (folder / records.answers("predictions", base)).exists():
                continue
            rows = predictions.complete(folder / records.answers("predictions", base), settings.prompts)
            before = (document.base if base else document.metrics) or records.Scores()
            if before.generation is None:
                before = replace(before, generation=score.summary(rows))
            log.info(
                "scoring %d answers of %sby %s",
                len(rows),
                f"the base, {folder} " if base else f"{folder} ",
                ", ".join(metrics),
            )
            scored = score.score_file(folder, rows, metrics, options, base, before)
            document = replace(document, base=scored) if base else replace(document, metrics=scored)
        directory.save(document)
        directory.scored()
        if (folder / "adapter" / "README.md").exists():
            model_card.write(folder)
    finally:
        directory.close()
    kinds = {"base": document.base} if document.base else {}
    kinds["base" if settings.adapter is None else "fine-tuned"] = document.metrics
    _scoring.report(config.format, folder, document, kinds, f"{folder} ({len(rows)} test answers)")
    log.info("written: %s/{metrics.json,scores.jsonl}", folder)


def _metrics(directory: records.RunDirectory, document: records.Metrics | None) -> list[str]:
    """The metrics of the evaluation that made the answers, of the run's configuration where it was never finished."""
    if document and document.scored_with is not None:
        return document.scored_with
    if directory.complete:
        directory.verify()
        return directories.saved_config(directory.path)["evaluation"]["metrics"]
    raise QftError(f"{directory.path} does not say what to score with; name it: evaluation.metrics=[bleu,rouge].")
