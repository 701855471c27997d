"""Validation loss, answers on the test set and their scores: of a run, an adapter or the base.

``qft eval run=DIR`` evaluates a finished run; ``adapter.path=DIR`` an adapter directory; neither, the base.
Repeating an interrupted evaluation goes on where it stopped.
"""

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

from qft import records
from qft.cli import _runs
from qft.cli._output import log, quiet_libraries, show, start_logging
from qft.config import EvalConfig, build
from qft.errors import QftError, nearest


def run(config: EvalConfig, overrides: list[str]) -> None:
    """Data -> prompts -> model -> predictions -> scores."""
    start_logging()
    _check(config)
    adapter = _adapter(config, overrides)
    if config.evaluation.baseline and adapter and (adapter / "config.json").is_file():
        raise QftError(
            "Full tuning has no adapter to switch off: leave evaluation.baseline=false, "
            "and evaluate the base alone with qft eval model.path=... and no run=."
        )
    from qft.data import prepare

    parts = prepare.split(build(config.data, leave_out=("metrics",)), config.n, config.data)
    test = parts.test[: config.evaluation.limit]
    if not test:
        raise QftError(f"data={config.data['name']} has no test samples to evaluate on.")

    quiet_libraries()
    from qft.data import template
    from qft.evaluation import evaluate
    from qft.evaluation.score import check_names
    from qft.models import load
    from qft.quantum import backends

    check_names(config.evaluation.metrics)
    tokenizer = load.load_tokenizer(config.model)
    chosen = template.choose(tokenizer, config.model["template"])
    e = config.evaluation
    prompts = template.prompts(test, tokenizer, chosen, config.max_seq_len, e.max_new_tokens, e.turns)
    validation = template.encode(parts.validation, tokenizer, chosen, config.max_seq_len)
    dtype = load.precision()
    settings: dict[str, Any] = {
        "base": load.fingerprint(config.model),
        "dtype": str(dtype),
        "template": chosen.name,
        "adapter": _digest(adapter),
        "data": parts.record["fingerprint"],
        "validation": parts.record["subset"],
        "backend": {k: v for k, v in config.backend.items() if k not in backends.transient(config.backend["name"])},
        "decoding": "greedy",
        "max_seq_len": config.max_seq_len,
        "turns": e.turns,
        "max_new_tokens": e.max_new_tokens,
        "batch_size": e.batch_size,
        "limit": e.limit,
    }
    backend = backends.load(**config.backend)
    if config.run:
        _runs.same_as_started(Path(config.run), settings["base"], settings["data"])
    if config.run and not config.out:
        directory = records.RunDirectory(Path(config.run)).open()
    else:
        directory = _runs.for_evaluation(config, config.out, "eval" if adapter else "base")
    try:
        evaluate.open_predictions(directory.path, settings, config.overwrite)
        model: Any = load.load_base(config.model, dtype)
        if adapter is not None:
            model = load.load_adapter(model, adapter)
            load.set_backend(model, backend)
            backend.begin(directory.path, f"{settings['base']} {settings['adapter']}", load.circuits(model))
        log.info("evaluating %d prompts into %s", len(prompts), directory.path)
        result: dict[str, Any] = {"schema": records.SCHEMA, "settings": settings}
        result["metrics"] = evaluate.evaluate(model, tokenizer, prompts, validation.rows, e, directory.path)
        if e.baseline and adapter is not None:
            result["base"] = evaluate.evaluate(model, tokenizer, prompts, validation.rows, e, directory.path, base=True)
        result["backend"] = {"name": backend.name, "circuits": backend.evaluations} | backend.report()
        result["record"] = asdict(records.new_record(config.seed))
        records.write_json(directory / "metrics.json", result)
    finally:
        backend.close()
        directory.close()
    _report(config, directory, result, "fine-tuned" if adapter else "base")


def _check(config: EvalConfig) -> None:
    if (config.adapter or {}).get("name", "saved") != "saved":
        raise QftError("qft eval takes a trained adapter: run=DIR or adapter.path=DIR (neither: the base model).")
    for name in ("max_new_tokens", "batch_size", "limit"):
        value = getattr(config.evaluation, name)
        if value is not None and value < 1:
            raise QftError(f"evaluation.{name}={value} must be at least 1.")


def _adapter(config: EvalConfig, overrides: list[str]) -> Path | None:
    """The adapter directory to evaluate; with ``run=`` the config takes over that run's model and data."""
    given = [o.partition("=")[0].lstrip("+") for o in overrides]
    if config.run is None:
        path = (config.adapter or {}).get("path")
        return Path(path) if path else None
    run = Path(config.run)
    if not run.is_dir():
        below = [p.name for p in Path(config.output_dir).glob("*") if (p / "config.yaml").exists()]
        raise QftError(f"run={run} does not exist.{nearest(run.name, below)}")
    saved = _runs.saved_config(run)
    if not records.RunDirectory(run).complete:
        raise QftError(f"{run} is not finished; go on with: qft train run={run.name} resume=true and its options.")
    for group in ("model", "data"):
        kept = dict(saved[group])
        for key in (k for k in given if k.startswith(f"{group}.")):
            kept[key.partition(".")[2]] = getattr(config, group)[key.partition(".")[2]]
        setattr(config, group, kept)
    for key in ("n", "seed", "max_seq_len"):
        if key not in given:
            setattr(config, key, saved[key])
    return run / "adapter"


def _digest(adapter: Path | None) -> str | None:
    """SHA-256 of the adapter's weights: predictions of other weights are never taken for these."""
    if adapter is None:
        return None
    from qft.models.load import weight_files

    digests = []
    for weights in weight_files(adapter):
        with weights.open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    return "+".join(digests)


def _report(config: EvalConfig, directory: records.RunDirectory, result: dict[str, Any], name: str) -> None:
    kinds = {"base": result["base"]} if "base" in result else {}
    kinds[name] = result["metrics"]
    scores = list(result["metrics"]["test"])
    rows = [
        [kind, m["validation"]["loss"], m["validation"]["perplexity"], *(m["test"][s]["value"] for s in scores)]
        for kind, m in kinds.items()
    ]
    title = f"{directory.path} ({result['metrics']['generation']['answers']} test answers, greedy)"
    show(
        config.format,
        {"directory": str(directory.path)} | result,
        title,
        ["model", "val loss", "perplexity", *scores],
        rows,
    )
    log.info("scores: %s", directory / "metrics.json")
    log.info("predictions: %s", directory / "predictions.jsonl")
    if (directory / "curve.png").exists():
        log.info("curve: %s", directory / "curve.png")
