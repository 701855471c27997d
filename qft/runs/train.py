"""The recipe of ``qft train``: rows, tokens, model, adapter, fit, finish."""

import logging
import shutil
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qft import records
from qft.config import EvalConfig, TrainConfig
from qft.errors import Diverged, QftError
from qft.evaluation import metrics
from qft.process.signals import DeferredStop
from qft.progress import quiet_libraries
from qft.records import Record, RunDirectory, new_record
from qft.runs import checks, directories, stored
from qft.runs.evaluate import evaluate
from qft.training import distributed

if TYPE_CHECKING:
    import torch

    from qft.data.prepare import Parts
    from qft.data.template import Encoded, Template
    from qft.models.count import Counts
    from qft.quantum.backends.base import Backend
    from qft.training.learning_rate import LearningRate

log = logging.getLogger(__name__)
EXACT = "statevector"
STOPPING = "finishing the step and saving; Ctrl-C again stops at once"


@dataclass(frozen=True)
class Setup:
    """What the run computes with."""

    backend: "Backend"
    dtype: "torch.dtype"
    counts: "Counts"


@dataclass(frozen=True)
class Tokens:
    """The samples as the model reads them."""

    tokenizer: Any
    template: "Template"
    train: "Encoded"
    validation: "Encoded"
    heldout: "Encoded"


def train(config: TrainConfig) -> RunDirectory:
    """Fine-tune one model on one dataset with one adapter; with ``config.eval`` evaluate it, too.

    Whatever can be refused is refused before a directory is made, what costs least first. Of several processes
    (torchrun) all compute, and the first one writes and evaluates.

    Args:
        config: The run's config; what it leaves open (``trainer.lr``, ``evaluation.metrics``, ``run``) is chosen.

    Returns:
        The directory of the run.

    Raises:
        QftError: A problem that the user can fix.
        Diverged: The loss became NaN or infinite; the directory says so.
        Stopped: This process was told to stop; the same config with ``resume`` resumes the run.
    """
    distributed.check()
    metrics = checks.metrics_of(config.evaluation, config.data or {})
    config = replace(config, evaluation=replace(config.evaluation, metrics=metrics))
    _check(config)
    config = _within_budget(config)
    parts = _read(config)
    setup = _set_up(config)
    tokens = _encode(config, parts)
    rate = _learning_rate(config, setup)
    directory = _finished(config)
    if directory is None:
        record = _describe(config, parts, setup, tokens)
        model = _build(config, setup)
        with directories.training(config, record) as directory:
            _log_sizes(config, setup.counts, tokens)
            _fit(config, directory, record, model, parts, tokens, setup, rate)
    if config.eval and distributed.first():
        evaluate(_evaluation(config, directory))
    return directory


def _check(config: TrainConfig) -> None:
    """Refuse what can be refused before anything is read."""
    from qft.data import prepare, template

    if "_target_" not in config.adapter:
        raise QftError("Choose a method to train: adapter=qwthn, adapter=lora, ...")
    if distributed.first() and not config.resume:  # to resume, the base is compared before the rest of the config
        directories.decide(config)
    asked = config.max_seq_len if config.eval else None
    checks.check_evaluation(config.evaluation, config.evaluation.metrics or [], config.metric, asked)
    if config.eval:
        checks.check_baseline(config.evaluation, whole=config.adapter["_target_"] is None)
    template.check_name(config.model["template"])
    prepare.overlong(config.data)
    if prepare.only_test(config.data):
        raise QftError("data.split=test leaves nothing to train on: take it out, or test a run with qft eval.")
    if config.backend["name"] != EXACT:  # which trains; to ask another one loads torch
        from qft.quantum import backends

        backends.check_trains(config.backend["name"])


def _within_budget(config: TrainConfig) -> TrainConfig:
    """The config with the knob of its method as ``budget`` chooses it; said, and recorded with the run's config."""
    if config.budget is None:
        return config
    from qft.models import budget

    choice = budget.choose(config.model, config.adapter, config.budget, config.budget_knob)
    log.info("budget: %s", choice)
    return replace(config, adapter=choice.adapter)


def _read(config: TrainConfig) -> "Parts":
    """Rows: the samples to train on, to validate on and to test on."""
    from qft.data import prepare

    parts = prepare.split(prepare.load(config.data), config.n, config.data)
    if config.eval and not parts.test:
        raise QftError(f"data={config.data['name']} has no test samples to evaluate on.")
    sizes = f"{len(parts.train)} to train on, {len(parts.validation)} to validate, {len(parts.test)} to test"
    log.info("data: %s, %s, %d held out", config.data["name"], sizes, len(parts.heldout))
    for kind, number in parts.summary.counts.items():
        log.debug("data: %s %s", f"{number:,}", kind)
    return parts


def _set_up(config: TrainConfig) -> Setup:
    """Join the other processes, and check that backend and machine can do what the run needs."""
    quiet_libraries()
    from qft.adapters import methods
    from qft.models import count, load, resources
    from qft.quantum import backends
    from qft.training import trainer

    distributed.join()
    trainer.check(config.trainer)
    method = methods.of(config.adapter)
    if config.trainer.gradient_checkpointing:
        method.check_checkpointing()
    backend = backends.load(**config.backend)
    dtype = load.precision(config.trainer.precision)
    if config.resume and config.run is not None:  # before anything of the base is loaded
        run = Path(config.output_dir) / config.run
        if (run / "record.json").exists():
            stored.check_base(run, config.model)
    counts = count.count(config.model, config.adapter, bytes_per_weight=dtype.itemsize)
    method.check_backend(backend, counts.hidden_size, training=True)
    resources.check_memory(counts)
    resources.check_disk(Path(config.output_dir), counts)
    return Setup(backend, dtype, counts)


def _encode(config: TrainConfig, parts: "Parts") -> Tokens:
    """Tokens of the samples; with ``eval`` also of the test prompts, to refuse now what could not be asked later."""
    from qft.data import prepare, template
    from qft.models import load

    overlong = prepare.overlong(config.data)
    tokenizer = load.load_tokenizer(config.model)
    load.check_vocabulary(config.model, tokenizer)
    chosen = template.choose(tokenizer, config.model["template"])
    train = template.encode(parts.train, tokenizer, chosen, config.max_seq_len, overlong)
    validation = template.encode(parts.validation, tokenizer, chosen, config.max_seq_len, overlong)
    heldout = template.encode(parts.heldout, tokenizer, chosen, config.max_seq_len, overlong, needed=False)
    if config.eval:
        e, test = config.evaluation, parts.test[: config.evaluation.limit]
        template.prompts(
            test, tokenizer, chosen, config.max_seq_len, e.max_new_tokens, e.turns, overlong, counts=Counter()
        )
    return Tokens(tokenizer, chosen, train, validation, heldout)


def _learning_rate(config: TrainConfig, setup: Setup) -> "LearningRate":
    """The peak learning rate. Also lets the library refuse options of the trainer before a directory is made."""
    from qft.training import trainer
    from qft.training.learning_rate import learning_rate

    rate = learning_rate(config.trainer.lr, config.model, config.adapter, setup.counts.hidden_size)
    options = replace(config.trainer, lr=rate.value)
    trainer.arguments(options, 1, Path(config.output_dir), config.seed, setup.dtype)
    return rate


def _finished(config: TrainConfig) -> RunDirectory | None:
    """The run that is to be resumed, if it is finished already; else None."""
    path, resumes = distributed.decided_by_first(lambda: directories.decide(config))
    directory = RunDirectory(path) if path and resumes else None
    if directory is None or not directory.complete:
        return None
    directory.verify()
    log.info("%s is already finished.", directory.path)
    return directory


def _describe(config: TrainConfig, parts: "Parts", setup: Setup, tokens: Tokens) -> Record:
    """The record, as far as it is known before training; a run that is resumed must have the same base and data."""
    from qft.models import load

    path, resumes = distributed.decided_by_first(lambda: directories.decide(config))
    base = stored.check_base(path, config.model) if resumes else load.fingerprint(config.model)
    if resumes:
        stored.check_data(path, parts.summary.fingerprint)
    record = new_record(config.seed, metrics.packages())
    record.model = records.ModelRecord(
        name=directories.model_name(config.model),
        path=config.model["path"],
        dtype=str(setup.dtype),
        template=tokens.template.name,
        device=str(load.device()),
        fingerprint=base,
    )
    record.data = records.DataRecord(
        **vars(parts.summary),
        train_tokens=records.TokenCounts(**tokens.train.counts),
        validation_tokens=records.TokenCounts(**tokens.validation.counts),
        heldout_tokens=records.TokenCounts(**tokens.heldout.counts),
    )
    record.parameters = setup.counts.recorded()
    return record


def _build(config: TrainConfig, setup: Setup) -> Any:
    """The base with the adapter in it."""
    from qft.adapters import methods
    from qft.models import inject, load
    from qft.training import blocks, packing

    method = methods.of(config.adapter)
    base = load.load_base(config.model, method.trained_dtype(setup.dtype))
    model = method.add_to(base, config.model["target_modules"], config.seed)
    inject.set_backend(model, setup.backend)
    if config.trainer.packing:
        blocks.use(model)
        packing.check_isolated(model)
    return model


def _fit(
    config: TrainConfig,
    directory: RunDirectory,
    record: Record,
    model: Any,
    parts: "Parts",
    tokens: Tokens,
    setup: Setup,
    rate: "LearningRate",
) -> None:
    """Train, measure what is held out, finish the directory. A signal to stop is raised once everything is saved."""
    from qft.evaluation import heldout
    from qft.training import trainer

    options = replace(config.trainer, lr=rate.value)
    rows = (tokens.train.rows, tokens.validation.rows)
    losses: list[records.HeldoutLoss] = []

    def measure(trained: Any) -> None:
        size = config.trainer.batch_size
        losses.extend(heldout.measure(trained, tokens.tokenizer, tokens.heldout, parts.heldout, size))

    # of several processes Ctrl-C comes from the terminal and once more from torchrun
    with DeferredStop(raise_second=distributed.world() == 1, message=STOPPING) as stop:
        try:
            fitted = trainer.fit(
                model,
                tokens.tokenizer,
                *rows,
                options,
                directory,
                config.seed,
                setup.dtype,
                setup.backend,
                stop,
                measure,
            )
        except Diverged as error:
            if distributed.first():
                directory.diverge(str(error))
                _tidy(directory)
            distributed.leave()  # not before the marker: who starts several processes ends all when one ends
            raise
        distributed.leave()
        if fitted is None:  # not the first process
            return
        loss = records.mean_loss(losses)
        record.training = replace(fitted, heldout_loss=loss, lr=rate.value, lr_automatic=rate.automatic)
        backend = setup.backend
        record.backend = records.BackendRecord(backend.name, config.backend, backend.evaluations, backend.report())
        if losses:
            records.write_heldout(directory / records.HELDOUT, losses)
        directory.save(record)
        _finish(directory, config)
    stop.check()


def _finish(directory: RunDirectory, config: TrainConfig) -> None:
    """Curve, model card and, last, the completion marker; then remove the checkpoints, which only a resume needs."""
    from qft.training import curve, model_card

    title = f"{config.adapter['name']} on {config.data['name']}, n={config.n}, "
    curve.draw(directory.path, title + f"{directories.model_name(config.model)}, seed {config.seed}")
    model_card.write(directory.path, config)
    directory.finish()
    _tidy(directory)


def _tidy(directory: RunDirectory) -> None:
    shutil.rmtree(directory / "checkpoints", ignore_errors=True)


def _log_sizes(config: TrainConfig, counts: "Counts", tokens: Tokens) -> None:
    """Log how much is trained, and how much of the samples was cut."""
    from qft.data import template

    for what, encoded in (("training samples", tokens.train), ("validation samples", tokens.validation)):
        for sentence in template.report(encoded.counts, what, config.max_seq_len):
            log.info("%s", sentence)
    trained = f"{counts.trainable:,} trainable parameters, {100 * counts.ratio:.2f}% of LoRA r=4"
    log.info("%s: %s", config.adapter["name"], trained)
    for note in counts.notes:
        log.debug("factors: %s", note)
    if counts.ratio > 1:
        log.warning("warning: more parameters than LoRA r=4 on the model's target layers.")


def _evaluation(config: TrainConfig, directory: RunDirectory) -> EvalConfig:
    """The config that evaluates the trained run; model, data, n and seed are the run's own."""
    return EvalConfig(
        run=str(directory.path),
        output_dir=config.output_dir,
        evaluation=config.evaluation,
        metric=config.metric,
        backend=config.backend,
        format=config.format,
        verbose=config.verbose,
    )
