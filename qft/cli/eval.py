"""Validation loss, answers on the test set and their scores: of a run, an adapter or the base.

``qft eval RUN`` evaluates a finished run; ``adapter.path=DIR`` an adapter directory; neither, the base.
Repeating an interrupted evaluation goes on where it stopped.
"""

import hashlib
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from qft import ranges, records, trust
from qft.cli import _scoring
from qft.cli._output import log, megabytes, quiet_libraries, start_logging
from qft.compose.words import words_as
from qft.config import EvalConfig, EvaluationConfig
from qft.errors import QftError
from qft.runs import directories


def arguments(args: list[str]) -> list[str]:
    """``qft eval DIR`` is ``qft eval run=DIR``."""
    return words_as("run", args)


def run(config: EvalConfig, overrides: list[str]) -> None:
    """Data -> prompts -> model -> predictions -> scores."""
    start_logging(config.verbose)
    _check(config)
    adapter = _adapter(config, overrides)
    check_baseline(config.evaluation, bool(adapter and (adapter / "config.json").is_file()))
    directories.check_out(config, config.out)
    options = check_options(config.evaluation, config.metric, config.max_seq_len)
    from qft.data import prepare, template

    template.check_name(config.model["template"])

    overlong = prepare.overlong(config.data)
    parts = prepare.split(prepare.load(config.data), config.n, config.data)
    check_test(config.data, parts)

    quiet_libraries()
    from qft.evaluation import decoding as answering
    from qft.evaluation import evaluate, predictions, score
    from qft.models import inject, load
    from qft.quantum import backends
    from qft.training import model_card

    backend = backends.load(**config.backend)
    base = load.fingerprint(config.model)
    if config.run:  # before anything of the base is loaded
        directories.same_as_started(Path(config.run), base, parts.record["fingerprint"])
    tokenizer = load.load_tokenizer(config.model)
    load.check_vocabulary(config.model, tokenizer)
    chosen = template.choose(tokenizer, config.model["template"])
    e = config.evaluation
    cut: Counter[str] = Counter()
    prompts = asked(parts, tokenizer, chosen, e, config.max_seq_len, overlong, cut)
    validation = template.encode(parts.validation, tokenizer, chosen, config.max_seq_len, overlong)
    dtype = load.precision()
    # where answers may lie already; a directory for new ones is made once nothing is left to refuse
    own = Path(config.run) if config.run and not config.out else None
    there = own or (Path(config.out) if config.out else None)
    size = (evaluate.recorded_batch_size(there) if there else None) if e.batch_size == "auto" else int(e.batch_size)
    decoding = answering.Decoding(
        e.max_new_tokens, size or 1, e.do_sample, e.temperature, e.top_p, config.seed, e.max_seconds
    )
    settings = records.EvaluationSettings(
        base=base,
        dtype=str(dtype),
        template=chosen.name,
        adapter=_digest(adapter),
        data=parts.record["fingerprint"],
        validation=parts.record["subset"],
        prompts=predictions.digest((p.id, p.turn, p.reference) for p in prompts),
        backend={k: v for k, v in config.backend.items() if k not in backends.transient(config.backend["name"])},
        max_seq_len=config.max_seq_len,
        overlong=overlong,
        turns=e.turns,
        limit=e.limit,
        decoding=decoding.recorded(),
        max_new_tokens=decoding.max_new_tokens,
        batch_size=decoding.batch_size,
        max_seconds=decoding.max_seconds,
    )
    if there and size:  # else nothing is there yet, and the size follows from the model
        evaluate.check_predictions(there, settings, config.overwrite)
    model: Any = load.load_base(config.model, dtype)
    if adapter is not None:
        model = inject.load_adapter(model, adapter)
        inject.set_backend(model, backend)
    if not size:
        decoding = replace(decoding, batch_size=answering.batch_size(model, config.max_seq_len))
    settings = replace(settings, batch_size=decoding.batch_size)

    kind = "eval" if adapter else "base"
    directory = records.RunDirectory(own).open() if own else directories.for_evaluation(config, config.out, kind)
    try:
        directory.scoring()
        evaluate.open_predictions(directory.path, settings, config.overwrite)
        if adapter is not None:
            backend.begin(directory.path, f"{settings.base} {settings.adapter}", inject.circuits(model))
        for sentence in template.report(cut, "prompts", config.max_seq_len - e.max_new_tokens):
            log.info("%s", sentence)
        log.info("evaluating %d prompts into %s", len(prompts), directory.path)
        both: list[records.Scores] = []
        for base_only in (False, True) if e.baseline and adapter is not None else (False,):
            measured, rows = evaluate.evaluate(
                model, tokenizer, prompts, validation, decoding, directory.path, backend, base_only
            )
            if measured.generation and not base_only:
                measured.generation.adapter_bytes = _size(adapter)
            both.append(score.score_file(directory.path, rows, e.metrics, options, base_only, measured))
        result = records.Metrics(
            settings=settings,
            metrics=both[0],
            base=both[1] if len(both) > 1 else None,
            scored_with=list(e.metrics),
            prompt_counts=dict(cut),
            backend=records.BackendUse(backend.name, backend.evaluations, backend.report()),
            record=records.new_record(config.seed),
        )
        directory.save(result)
        directory.scored()
        if config.run and not config.out:
            model_card.write(directory.path)
    finally:
        backend.close()
        directory.close()
    _report(config, directory, result, "fine-tuned" if adapter else "base")


def _check(config: EvalConfig) -> None:
    if (config.adapter or {}).get("name", "saved") != "saved":
        raise QftError("qft eval takes a trained adapter: run=DIR or adapter.path=DIR (neither: the base model).")


def check_baseline(e: EvaluationConfig, whole: bool) -> None:
    """Raise QftError where the base is to be evaluated beside a model that was tuned as a whole."""
    if e.baseline and whole:
        raise QftError(
            "Full tuning has no adapter to switch off: leave evaluation.baseline=false, "
            "and evaluate the base alone with qft eval model.path=... and no run=."
        )


def check_test(data: dict[str, Any], parts: Any) -> None:
    """Raise QftError for data that nothing can be asked about."""
    if not parts.test:
        raise QftError(f"data={data['name']} has no test samples to evaluate on.")


def asked(
    parts: Any, tokenizer: Any, chosen: Any, e: EvaluationConfig, max_seq_len: int, overlong: str, cut: Counter[str]
) -> list[Any]:
    """The prompts of an evaluation. Raises QftError where there can be none."""
    from qft.data import template

    test = parts.test[: e.limit]
    return template.prompts(test, tokenizer, chosen, max_seq_len, e.max_new_tokens, e.turns, overlong, cut)


def check_options(e: EvaluationConfig, metric: Any, max_seq_len: int | None) -> dict[str, dict[str, Any]]:
    """Raise QftError for options of an evaluation that cannot be meant; return those of its metrics.

    ``max_seq_len`` None: nothing is answered yet, so there need be no room for a prompt.
    """
    from qft.data import template

    template.check_turns(e.turns)
    if isinstance(e.batch_size, str) and e.batch_size != "auto":
        raise QftError(f"evaluation.batch_size={e.batch_size} must be a number or auto.")
    ranges.check(e, "evaluation.")
    if isinstance(e.batch_size, int) and e.batch_size < 1:
        raise QftError(f"evaluation.batch_size={e.batch_size} must be at least 1.")
    if max_seq_len is not None and e.max_new_tokens >= max_seq_len:
        raise QftError(
            f"evaluation.max_new_tokens={e.max_new_tokens} leaves no room for a prompt within "
            f"max_seq_len={max_seq_len}."
        )
    if not e.do_sample and (e.temperature, e.top_p) != (1, 1):
        raise QftError("evaluation.temperature and top_p do nothing to greedy answers; add evaluation.do_sample=true.")
    return _scoring.metric_options(e.metrics, metric)


def _adapter(config: EvalConfig, overrides: list[str]) -> Path | None:
    """The adapter directory to evaluate; with ``run=`` the config takes over that run's model and data."""
    given = [o.partition("=")[0].lstrip("+") for o in overrides]
    if config.run is None:
        path = (config.adapter or {}).get("path")
        return Path(path) if path else None
    if "adapter.path" in given:
        raise QftError("run= and adapter.path= each name an adapter; give one of them.")
    run = directories.existing(config.run, config.output_dir)
    config.run = str(run)
    saved = directories.saved_config(run)
    records.check_files(run)
    if diverged := records.RunDirectory(run).diverged:
        raise QftError(f"{run} has no result to evaluate ({diverged}).")
    if not records.RunDirectory(run).complete:
        raise QftError(f"{run} is not finished; go on with: qft train run={run.name} resume=true and its options.")
    records.RunDirectory(run).verify()
    for group in ("model", "data"):
        kept = dict(saved[group])
        for key in (k for k in given if k.startswith(f"{group}.")):
            kept[key.partition(".")[2]] = getattr(config, group)[key.partition(".")[2]]
        setattr(config, group, kept)
    if config.model.get("trust_remote_code") and not trust.given().remote_code:
        raise QftError(
            f"{run} was trained with code of its model's own; if you trust that code, say so each time: "
            "model.trust_remote_code=true."
        )
    for key in ("n", "seed", "max_seq_len"):
        if key not in given:
            setattr(config, key, saved[key])
    if "evaluation.metrics" not in given:
        config.evaluation.metrics = saved["evaluation"]["metrics"]
    return run / "adapter"


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


def _report(config: EvalConfig, directory: records.RunDirectory, result: records.Metrics, name: str) -> None:
    kinds = {"base": result.base} if result.base else {}
    kinds[name] = result.metrics
    written, decoding = result.metrics.generation, result.settings.decoding
    how = decoding if isinstance(decoding, str) else ", ".join(f"{k} {v}" for k, v in vars(decoding).items())
    if written is None:
        raise QftError(f"{directory / records.Metrics.FILE} says nothing of the answers.")
    _scoring.report(
        config.format,
        directory.path,
        result,
        kinds,
        f"{directory.path} ({written.answers} test answers, {how})",
    )
    log.info(
        "answers: %s tokens, %s unfinished, %s tokens/s, peak memory %s%s",
        f"{written.tokens:,}",
        written.unfinished,
        written.tokens_per_second,
        megabytes(int(written.peak_memory_bytes or 0)),
        f", {written.circuits:,} circuits needed" if written.circuits else "",
    )
    log.info("written: %s/{metrics.json,scores.jsonl,predictions.jsonl}", directory.path)
