"""The recipe of ``qft eval``: rows, prompts, model, answers, scores."""

import hashlib
import logging
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qft import records
from qft.config import EvalConfig
from qft.errors import QftError
from qft.evaluation import metrics
from qft.progress import quiet_libraries
from qft.records import EvaluationSettings, RunDirectory
from qft.runs import checks, directories, stored
from qft.runs.stored import Subject

if TYPE_CHECKING:
    from qft.data.prepare import Parts
    from qft.data.template import Encoded, Prompt, Template
    from qft.evaluation.decoding import Decoding
    from qft.evaluation.forgetting import GeneralLoss
    from qft.evaluation.harness.tasks import Tasks
    from qft.quantum.backends.base import Backend

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Questions:
    """Prompts, validation and held-out samples and, where they are asked for, general text as tokens and tasks
    of lm-evaluation-harness.

    ``cut`` counts the prompts that were cut or left out.
    """

    tokenizer: Any
    template: "Template"
    prompts: "list[Prompt]"
    validation: "Encoded"
    heldout: "Encoded"
    cut: Counter[str]
    general: "GeneralLoss | None"
    tasks: "Tasks | None"


def evaluate(config: EvalConfig) -> RunDirectory:
    """Validation loss, answers to the test set and their scores: of a run, an adapter or the base.

    An evaluation that was interrupted is resumed. Whatever can be refused is refused before anything is written.

    Args:
        config: ``run`` names a finished run, ``adapter["path"]`` an adapter; neither means the base. Of a run, what
            is None (n, seed, max_seq_len, metrics) and the keys that are missing in ``model`` and ``data`` are the
            run's own.

    Returns:
        The directory with metrics.json, predictions.jsonl and scores.jsonl: ``out``, the run's own, or a new one.

    Raises:
        QftError: A problem that the user can fix.
    """
    subject = stored.subject(config)
    options = _check(config, subject)
    parts = _read(subject)
    backend, base = _set_up(config, subject, parts)
    questions = _questions(config, subject, parts)
    decoding = _decoding(config, subject)
    settings = _settings(config, subject, parts, questions, base, decoding)
    _check_answers(config, subject, settings)
    model = _load(config, subject, questions, backend, base)
    decoding = _with_batch_size(decoding, model, subject)
    settings = replace(settings, batch_size=decoding.batch_size)
    try:
        with directories.evaluation(config, subject) as directory:
            _answer(config, subject, directory, model, parts, questions, decoding, backend, settings, options)
    finally:
        backend.close()
    return directory


def _check(config: EvalConfig, subject: Subject) -> checks.Options:
    """Refuse what can be refused before anything is read; return the options of the metrics."""
    from qft.data import prepare, template

    whole = subject.adapter is not None and (subject.adapter / "config.json").is_file()
    checks.check_baseline(config.evaluation, whole)
    directories.check_place(config)
    options = checks.check_evaluation(config.evaluation, subject.metrics, config.metric, subject.max_seq_len)
    template.check_name(subject.model["template"])
    prepare.overlong(subject.data)
    return options


def _read(subject: Subject) -> "Parts":
    """Rows: the samples to validate and to test on."""
    from qft.data import prepare

    parts = prepare.split(prepare.load(subject.data), subject.n, subject.data)
    if not parts.test:
        raise QftError(f"data={subject.data['name']} has no test samples to evaluate on.")
    return parts


def _set_up(config: EvalConfig, subject: Subject, parts: "Parts") -> "tuple[Backend, str]":
    """The backend and the base's fingerprint; base and data must be those of the run."""
    quiet_libraries()
    from qft.models import load
    from qft.quantum import backends

    backend = backends.load(**config.backend)
    if subject.run is None:
        return backend, load.fingerprint(subject.model)
    (stored.check_other_data if subject.other_data else stored.check_data)(subject.run, parts.summary.fingerprint)
    return backend, stored.check_base(subject.run, subject.model)  # before anything of the base is loaded


def _questions(config: EvalConfig, subject: Subject, parts: "Parts") -> Questions:
    """Prompts of the test samples, tokens of the validation samples."""
    from qft.data import prepare, template
    from qft.models import load

    e, overlong = config.evaluation, prepare.overlong(subject.data)
    tokenizer = load.load_tokenizer(subject.model)
    load.check_vocabulary(subject.model, tokenizer)
    chosen = template.choose(tokenizer, subject.model["template"])
    cut: Counter[str] = Counter()
    test = parts.test[: e.limit]
    prompts = template.prompts(
        test, tokenizer, chosen, subject.max_seq_len, e.max_new_tokens, e.turns, overlong, counts=cut
    )
    validation = template.encode(
        parts.validation, tokenizer, chosen, subject.max_seq_len, overlong, needed=bool(parts.validation)
    )
    untuned = parts.heldout if subject.adapter is None else []  # a run measured them when it was trained
    heldout = template.encode(untuned, tokenizer, chosen, subject.max_seq_len, overlong, needed=False)
    general = _general(config, subject, tokenizer)
    return Questions(tokenizer, chosen, prompts, validation, heldout, cut, general, _tasks(config))


def _general(config: EvalConfig, subject: Subject, tokenizer: Any) -> "GeneralLoss | None":
    """General text as tokens; None where forgetting is not measured."""
    if config.evaluation.forgetting is None:
        return None
    from qft.data import general
    from qft.evaluation import forgetting

    return forgetting.encode(general.read(config.evaluation.forgetting), tokenizer, subject.max_seq_len)


def _tasks(config: EvalConfig) -> "Tasks | None":
    """Tasks of lm-evaluation-harness with their data; None where none is asked for."""
    selection = checks.harness(config.evaluation)
    if selection is None:
        return None
    from qft.evaluation.harness import tasks

    return tasks.load(selection)


def _decoding(config: EvalConfig, subject: Subject) -> "Decoding":
    """How answers are written. A batch size of 0 is chosen later, once the model is loaded.

    Where earlier answers are resumed, an automatic batch size is the one they were made with.
    """
    from qft.evaluation.decoding import Decoding
    from qft.evaluation.evaluate import recorded_batch_size

    e, place = config.evaluation, directories.evaluated_in(config, subject)
    recorded = recorded_batch_size(place) if place else None
    size = recorded or 0 if e.batch_size == "auto" else int(e.batch_size)
    return Decoding(e.max_new_tokens, size, e.do_sample, e.temperature, e.top_p, subject.seed, e.max_seconds)


def _settings(
    config: EvalConfig, subject: Subject, parts: "Parts", questions: Questions, base: str, decoding: "Decoding"
) -> EvaluationSettings:
    """Everything that decides the answers; earlier ones are resumed only if all of it is equal."""
    from qft.data import prepare
    from qft.evaluation import predictions
    from qft.models import load
    from qft.quantum import backends

    transient = backends.transient(config.backend["name"])
    return EvaluationSettings(
        base=base,
        dtype=str(load.precision()),
        template=questions.template.name,
        adapter=_digest(subject.adapter),
        data=parts.summary.fingerprint,
        validation=parts.summary.subset,
        prompts=predictions.digest((p.id, p.turn, p.reference) for p in questions.prompts),
        backend={k: v for k, v in config.backend.items() if k not in transient},
        max_seq_len=subject.max_seq_len,
        overlong=prepare.overlong(subject.data),
        turns=config.evaluation.turns,
        limit=config.evaluation.limit,
        decoding=decoding.recorded(),
        max_new_tokens=decoding.max_new_tokens,
        batch_size=decoding.batch_size,
        max_seconds=decoding.max_seconds,
    )


def _check_answers(config: EvalConfig, subject: Subject, settings: EvaluationSettings) -> None:
    """Refuse earlier answers that were made with other settings."""
    from qft.evaluation.evaluate import check_predictions

    place = directories.evaluated_in(config, subject)
    if place and settings.batch_size:  # without one there are no earlier answers
        check_predictions(place, settings, config.overwrite)


def _load(config: EvalConfig, subject: Subject, questions: Questions, backend: "Backend", fingerprint: str) -> Any:
    """The base, with the adapter in it; what the base loses on general text is measured before that."""
    from qft.models import inject, load

    model: Any = load.load_base(subject.model, load.precision())
    if questions.general is not None:
        questions.general.of_base(model, fingerprint, Path(config.output_dir))
    if subject.adapter is not None:
        model = inject.load_adapter(model, subject.adapter)
        inject.set_backend(model, backend)
    return model


def _with_batch_size(decoding: "Decoding", model: Any, subject: Subject) -> "Decoding":
    """The decoding, its batch size chosen by the memory that is free where it was left open."""
    from qft.evaluation.decoding import batch_size

    return decoding if decoding.batch_size else replace(decoding, batch_size=batch_size(model, subject.max_seq_len))


def _answer(
    config: EvalConfig,
    subject: Subject,
    directory: RunDirectory,
    model: Any,
    parts: "Parts",
    questions: Questions,
    decoding: "Decoding",
    backend: "Backend",
    settings: EvaluationSettings,
    options: checks.Options,
) -> None:
    """Answer and score with the model and, if asked for, its base; write metrics.json and the model card."""
    from qft.data import template
    from qft.evaluation import evaluate, score
    from qft.models import inject
    from qft.training import model_card

    e = config.evaluation
    directory.scoring()
    (directory / records.GENERAL).unlink(missing_ok=True)
    evaluate.open_predictions(directory.path, settings, config.overwrite)
    if subject.adapter is not None:
        backend.begin(directory.path, f"{settings.base} {settings.adapter}", inject.circuits(model))
    for sentence in template.report(questions.cut, "prompts", subject.max_seq_len - e.max_new_tokens):
        log.info("%s", sentence)
    log.info("evaluating %d prompts into %s", len(questions.prompts), directory.path)
    earlier = _earlier(directory)
    asked = (questions.tokenizer, questions.prompts, questions.validation, decoding)
    scores: list[records.Scores] = []
    for of_base in (False, True) if e.baseline and subject.adapter is not None else (False,):
        measured, rows = evaluate.evaluate(model, *asked, directory.path, backend, of_base)
        if measured.generation and not of_base:
            measured.generation.adapter_bytes = _size(subject.adapter)
        if subject.adapter is None:
            measured.heldout_loss = _measure(directory, model, parts, questions, decoding)
        if questions.general is not None and not of_base:
            measured.forgetting = _forgetting(questions.general, model, subject, directory)
        measured.harness = _standard(questions, model, decoding, earlier, of_base)
        scores.append(score.score_file(directory.path, rows, subject.metrics, options, of_base, measured))
    document = records.Metrics(
        settings=settings,
        metrics=scores[0],
        base=scores[1] if len(scores) > 1 else None,
        scored_with=subject.metrics,
        prompt_counts=dict(questions.cut),
        backend=records.BackendUse(backend.name, backend.evaluations, backend.report()),
        record=records.new_record(subject.seed, metrics.packages()),
    )
    directory.save(document)
    directory.scored()
    if directory.path == subject.run:
        model_card.write(directory.path, stored.read_config(directory.path))


def _measure(
    directory: RunDirectory, model: Any, parts: "Parts", questions: Questions, decoding: "Decoding"
) -> float | None:
    """Write heldout.csv of the untuned base, and return its loss; None where nothing is held out."""
    from qft.evaluation import heldout

    losses = heldout.measure(model, questions.tokenizer, questions.heldout, parts.heldout, decoding.batch_size)
    if losses:
        records.write_heldout(directory / records.HELDOUT, losses)
    else:
        (directory / records.HELDOUT).unlink(missing_ok=True)  # an earlier evaluation's
    return records.mean_loss(losses)


def _forgetting(general: "GeneralLoss", model: Any, subject: Subject, directory: RunDirectory) -> records.Forgetting:
    """What fine-tuning has changed of the loss on general text."""
    found = general.of_none() if subject.adapter is None else general.of_tuned(model, directory.path)
    log.info("general text: loss %.4f before, %.4f after, %s tokens", found.before, found.after, f"{found.tokens:,}")
    if found.truncated:
        log.info("%d general texts cut to %d tokens", found.truncated, general.max_len)
    return found


def _earlier(directory: RunDirectory) -> records.Metrics | None:
    """What an earlier evaluation with these settings has found; None where there is none."""
    try:
        return directory.metrics() if (directory / records.Metrics.FILE).exists() else None
    except QftError:
        return None  # damaged: it is written again


def _standard(
    questions: Questions, model: Any, decoding: "Decoding", earlier: records.Metrics | None, of_base: bool
) -> dict[str, records.HarnessTask] | None:
    """Scores on tasks of lm-evaluation-harness, those of an earlier evaluation included; None for none."""
    scores = (earlier.base if of_base else earlier.metrics) if earlier else None
    known = scores.harness if scores else None
    if questions.tasks is None:
        return known
    from qft.evaluation.harness.scores import measure

    asked = (questions.tokenizer, questions.template, questions.tasks, decoding.batch_size)
    with model.disable_adapter() if of_base else nullcontext():
        return measure(model, *asked, known)


def _digest(adapter: Path | None) -> str | None:
    """SHA-256 of the adapter's weights: predictions of other weights are never taken for these."""
    if adapter is None:
        return None
    from qft.models.inject import weight_files

    digests = []
    for weights in weight_files(adapter):
        with weights.open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    return "+".join(digests)


def _size(adapter: Path | None) -> int | None:
    """Bytes of the adapter's weights on disk."""
    from qft.models.inject import weight_files

    return None if adapter is None else sum(file.stat().st_size for file in weight_files(adapter))
