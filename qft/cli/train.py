"""Fine-tune a model with an adapter; eval=true also evaluates it."""

import shutil
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from qft import records
from qft.cli import eval as evaluation
from qft.cli._output import log, quiet_libraries, show, start_logging
from qft.config import EvalConfig, TrainConfig
from qft.errors import Diverged, QftError
from qft.process.files import write_text
from qft.process.signals import DeferredStop
from qft.runs import directories
from qft.training import distributed

FINISHING = "finishing the step and saving; Ctrl-C again stops at once"


def run(config: TrainConfig, overrides: list[str]) -> None:
    """Data -> tokens -> adapted model -> Trainer -> run directory (-> evaluation)."""
    start_logging(config.verbose)
    distributed.check()
    if not distributed.first():
        log.setLevel("ERROR")
    if "_target_" not in config.adapter:
        raise QftError("Choose a method to train: adapter=qwthn, adapter=lora, ...")
    if distributed.first() and not config.resume:  # to go on, the configuration is compared, once it is known whole
        directories.decide(config)
    evaluation.check_options(config.evaluation, config.metric, config.max_seq_len if config.eval else None)
    if config.eval:
        evaluation.check_baseline(config.evaluation, whole=config.adapter["_target_"] is None)
    from qft.data import prepare, template

    template.check_name(config.model["template"])

    overlong = prepare.overlong(config.data)
    parts = prepare.split(prepare.load(config.data), config.n, config.data)
    if config.eval:
        evaluation.check_test(config.data, parts)
    log.info("data: %s, %s", config.data["name"], _sizes(parts.record))
    for kind, number in parts.record["counts"].items():
        log.debug("data: %s %s", f"{number:,}", kind)

    quiet_libraries()

    from qft.adapters import methods
    from qft.models import count, inject, load, resources
    from qft.quantum import backends
    from qft.training import packing, trainer

    distributed.join()
    trainer.check(config.trainer)
    method = methods.of(config.adapter)
    if config.trainer.gradient_checkpointing:
        method.check_checkpointing()
    backend = backends.load(**config.backend)
    dtype = load.precision(config.trainer.precision)
    if config.resume and config.run is not None:  # before anything of the base is loaded
        directories.same_base(Path(config.output_dir) / config.run, load.fingerprint(config.model))
    counts = count.count(config.model, config.adapter, bytes_per_weight=dtype.itemsize)
    method.check_backend(backend, counts.hidden_size, training=True)
    resources.check_memory(counts)
    resources.check_disk(Path(config.output_dir), counts)
    tokenizer = load.load_tokenizer(config.model)
    load.check_vocabulary(config.model, tokenizer)
    chosen = template.choose(tokenizer, config.model["template"])
    train = template.encode(parts.train, tokenizer, chosen, config.max_seq_len, overlong)
    validation = template.encode(parts.validation, tokenizer, chosen, config.max_seq_len, overlong)
    if config.eval:  # what cannot be asked is known before anything is trained
        evaluation.asked(parts, tokenizer, chosen, config.evaluation, config.max_seq_len, overlong, Counter())

    if config.trainer.lr is None:
        config.trainer.lr = trainer.default_lr(counts.hidden_size)
    if not any(o.startswith("trainer.lr=") for o in overrides):
        config.trainer.lr *= config.adapter.get("lr_scale", 1.0)  # the model's rate suits adapters of few weights

    trainer.arguments(config.trainer, 1, Path(config.output_dir), config.seed, dtype)  # what the library refuses

    path, going_on = distributed.decided_by_first(lambda: directories.decide(config))
    directory = records.RunDirectory(path) if path else None
    if directory is not None and directory.complete and going_on:
        directory.verify()
        log.info("%s is already finished.", directory.path)
    else:
        record = records.new_record(config.seed)
        base = load.fingerprint(config.model)
        if going_on:
            directories.same_as_started(path, base, parts.record["fingerprint"])
        record.model = records.ModelRecord(
            name=directories.model_name(config.model),
            path=config.model["path"],
            dtype=str(dtype),
            template=chosen.name,
            device=str(load.device()),
            fingerprint=base,
        )
        record.data = records.DataRecord(
            **parts.record,
            train_tokens=records.TokenCounts(**train.counts),
            validation_tokens=records.TokenCounts(**validation.counts),
        )
        record.parameters = counts.recorded()
        model = load.load_base(config.model, method.trained_dtype(dtype))
        model = method.add_to(model, config.model["target_modules"], config.seed)
        inject.set_backend(model, backend)
        if config.trainer.packing:
            packing.check_isolated(model)

        # whatever can be refused has been: only now is a directory made
        directory, going_on = _open(config)
        try:
            log.info("run: %s%s", directory.path, " (resuming)" if going_on else "")
            _begin(directory, config, record)
            _say(config, counts, {"training samples": train.counts, "validation samples": validation.counts})
            rows = (train.rows, validation.rows)
            # of several processes Ctrl-C comes from the terminal and once more from torchrun
            with DeferredStop(raise_second=distributed.world() == 1, message=FINISHING) as stop:
                try:
                    record.training = trainer.fit(
                        model, tokenizer, *rows, config.trainer, directory, config.seed, dtype, backend, stop
                    )
                except Diverged as error:
                    if distributed.first():
                        directory.diverge(str(error))
                        _tidy(directory)
                    distributed.leave()  # not before the marker: who starts several processes ends all when one ends
                    raise
                distributed.leave()
                if not distributed.first():
                    return
                record.backend = records.BackendRecord(backend.name, config.backend, backend.evaluations)
                directory.save(record)
                _finish(directory, config)
            stop.check()
            del model
        finally:
            directory.close()
    if not distributed.first():
        return
    _report(directory, config)
    if config.eval:
        evaluation.run(
            EvalConfig(
                run=str(directory.path),
                evaluation=config.evaluation,
                metric=config.metric,
                backend=config.backend,
                format=config.format,
                verbose=config.verbose,
            ),
            ["evaluation.metrics="],
        )


def _open(config: TrainConfig) -> tuple[records.RunDirectory, bool]:
    """The run directory and whether to go on in it; of several processes the first one chooses and locks it."""
    opened: list[records.RunDirectory] = []

    def choose() -> tuple[Path, bool]:
        directory, going_on = directories.for_training(config)
        opened.append(directory)
        return directory.path, going_on

    path, going_on = distributed.decided_by_first(choose)
    return opened[0] if opened else records.RunDirectory(path), going_on


def _begin(directory: records.RunDirectory, config: TrainConfig, record: records.Record) -> None:
    """Put on the disk what is known before training."""
    if distributed.first():
        directory.save(record)
        # after the record: a directory without config.yaml is no run yet and is started afresh
        write_text(directory / "config.yaml", yaml.safe_dump(asdict(config), allow_unicode=True, sort_keys=False))


def _say(config: TrainConfig, counts: Any, samples: dict[str, Any]) -> None:
    """What is trained, and what of the samples was cut."""
    from qft.data import template

    for what, tokens in samples.items():
        for sentence in template.report(tokens, what, config.max_seq_len):
            log.info("%s", sentence)
    trained = f"{counts.trainable:,} trainable parameters, {100 * counts.ratio:.2f}% of LoRA r=4"
    log.info("%s: %s", config.adapter["name"], trained)
    for note in counts.notes:
        log.debug("factors: %s", note)
    if counts.ratio > 1:
        log.warning("warning: more parameters than LoRA r=4 on the model's target layers.")


def _sizes(record: dict) -> str:
    return f"{record['train']} to train on, {record['validation']} to validate, {record['test']} to test"


def _finish(directory: records.RunDirectory, config: TrainConfig) -> None:
    """Picture, model card, tidy up, and the completion marker last."""
    from qft.training import curve, model_card

    title = f"{config.adapter['name']} on {config.data['name']}, n={config.n}, "
    curve.draw(directory.path, title + f"{directories.model_name(config.model)}, seed {config.seed}")
    model_card.write(directory.path)
    directory.finish()
    _tidy(directory)


def _tidy(directory: records.RunDirectory) -> None:
    """Checkpoints go last, once the run has ended for good."""
    shutil.rmtree(directory / "checkpoints", ignore_errors=True)


def _report(directory: records.RunDirectory, config: TrainConfig) -> None:
    record = directory.record()
    parameters, t = record.parameters, record.training
    if parameters is None or t is None:
        raise QftError(f"{directory / records.Record.FILE} says nothing of parameters or training.")
    document = {"run": str(directory.path), "parameters": parameters.trainable} | records.to_json(t)
    document["ratio_to_lora_r4"] = parameters.ratio_to_lora_r4
    rows: list[list[Any]] = [
        ["trainable parameters", parameters.trainable],
        ["share of LoRA r=4", f"{parameters.ratio_to_lora_r4:.2%}"],
        ["validation loss, at the start", t.validation_loss_at_start],
        ["validation loss, fine-tuned", t.validation_loss],
        ["train loss, mean of the run", t.train_loss_run_mean],
        ["train loss, last epoch", t.train_loss_final_epoch],
        ["steps", t.steps],
        ["seconds", t.seconds],
    ]
    if record.backend and t.circuits:
        rows.append([f"circuits ({record.backend.name})", t.circuits])
    if not (config.eval and config.format == "json"):
        show(config.format, document, f"{config.adapter['name']} on {config.data['name']}", ["trained", "value"], rows)
    log.info("curve: %s", directory / "curve.png")
