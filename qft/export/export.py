"""The recipe of ``qft export``: a finished run as a plain model or as an ordinary LoRA."""

import logging
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qft import records
from qft.config import EvalConfig, ExportConfig, TrainConfig
from qft.errors import QftError, nearest
from qft.process.memory import peak_bytes
from qft.progress import quiet_libraries
from qft.records import Conversion, Export, Losses, Plain, RunDirectory, Scores
from qft.runs import stored
from qft.runs.evaluate import evaluate
from qft.runs.stored import Subject

if TYPE_CHECKING:
    from qft.data.prepare import Parts
    from qft.data.template import Encoded, Template
    from qft.export.agreement import Reference
    from qft.export.lora import Converted

log = logging.getLogger(__name__)

KINDS = ("merged", "lora")
DTYPES = ("auto", "fp32", "bf16", "fp16")
BATCH = 8  # samples side by side


@dataclass(frozen=True)
class Opened:
    """A run that is exported.

    Attributes:
        subject: Its model and data.
        trained: Its config.
        run, adapter: Its directory, and that of its weights.
        tokenizer: Of the base.
        template: That it was trained with.
        base: Fingerprint of the base.
    """

    subject: Subject
    trained: TrainConfig
    run: Path
    adapter: Path
    tokenizer: Any
    template: "Template"
    base: str

    @property
    def name(self) -> str:
        """Of the run."""
        return self.run.resolve().name


def export(config: ExportConfig) -> Path:
    """Write a run as a plain model or as a LoRA, with a card that says what was measured.

    Args:
        config: ``run`` names a finished run, ``to`` what it becomes; ``out`` None means RUN-merged or RUN-lora below
            ``output_dir``. Model and data are the run's own, but for keys that are given.

    Returns:
        The directory, which is written whole or not at all. For a LoRA the distance to the adapter is also written
        into the run: conversion.json.

    Raises:
        QftError: A problem that the user can fix; nothing is written then.
    """
    if config.to is None:
        raise QftError("Say what the run is to become: to=merged or to=lora.")
    if config.to not in KINDS:
        raise QftError(f"to={config.to} does not exist.{nearest(config.to, KINDS)}")
    if config.dtype not in DTYPES:
        raise QftError(f"dtype={config.dtype} does not exist.{nearest(config.dtype, DTYPES)}")
    subject = stored.subject(config)
    if subject.run is None or subject.adapter is None:
        raise QftError("qft export takes a finished run: run=DIR.")
    trained = stored.read_config(subject.run)
    quiet_libraries()
    from qft.export import directory

    out = directory.choose(config.out, subject.run, config.output_dir, config.to, config.overwrite)
    _check_method(config, trained, subject.run)
    opened = _open(subject, trained, config.to)
    if config.to == "merged":
        _to_merged(config, opened, out)
    else:
        _to_lora(config, opened, out)
    return out


def _check_method(config: ExportConfig, trained: TrainConfig, run: Path) -> None:
    """Refuse, before anything is loaded, what the method cannot become."""
    from qft.adapters import methods
    from qft.export import lora

    lora.check_rank(config.rank)
    method = methods.of(trained.adapter)
    name = trained.adapter["name"]
    if method.trains_base and config.to == "lora":
        raise QftError(f"adapter={name} has trained every weight, which no LoRA holds; export it to=merged.")
    stated = method.describe().mergeable or ("supports" not in trained.adapter and trained.adapter.get("type"))
    if config.to == "merged" and not method.trains_base and not stated:
        raise QftError(
            f"adapter={name} is not linear in its input, so no plain weight equals it; to=lora writes the nearest "
            f"LoRA, {_loss_in_words(run)}."
        )


def _loss_in_words(run: Path) -> str:
    """What a LoRA loses of this adapter, by numbers where they were measured before."""
    if not (run / Conversion.FILE).is_file():
        return "which loses what is not linear in the adapter, and measures how much that is"
    found = records.read(run / Conversion.FILE, Conversion)
    lost = 1 - found.share
    return (
        f"which loses {lost:.0%} of what the adapter adds at rank {found.rank} "
        f"({found.losses.samples} loss {found.losses.lora:.3f}, the adapter's {found.losses.adapter:.3f})"
    )


def _open(subject: Subject, trained: TrainConfig, kind: str) -> Opened:
    """Compare the base with the run's, and read what is light. A merge may take another precision of the base."""
    from qft.data import template
    from qft.models import load

    assert subject.run is not None and subject.adapter is not None
    if kind == "merged" and _in_full_precision(subject.model, trained.model):
        log.warning("warning: the adapter was trained on a quantised base; it is merged into another copy of it.")
        base = load.fingerprint(subject.model)
    else:
        base = stored.check_base(subject.run, subject.model)
    tokenizer = load.load_tokenizer(subject.model)
    load.check_vocabulary(subject.model, tokenizer)
    chosen = template.choose(tokenizer, subject.model["template"])
    return Opened(subject, trained, subject.run, subject.adapter, tokenizer, chosen, base)


def _in_full_precision(given: Plain, trained_on: Plain) -> bool:
    """Whether another base was given for one that is quantised."""
    from qft.models import load

    if given["path"] == trained_on["path"]:
        return False
    own: Any = load.meta_base(trained_on)
    return own.config.to_dict().get("quantization_config") is not None


def _to_merged(config: ExportConfig, opened: Opened, out: Path) -> None:
    from qft.export import card, directory, merged

    chosen = merged.plan(opened.subject.model, config.dtype)
    with directory.new(out) as folder:
        found = merged.write(folder, opened.subject.model, opened.adapter, chosen, opened.tokenizer)
        directory.add_tokenizer(folder, opened.tokenizer, opened.template.text)
        record = RunDirectory(opened.run).record()
        body = card.merged(opened.name, opened.trained, record, found, str(chosen.dtype).removeprefix("torch."))
        export = _record(opened, "merged", str(chosen.dtype), found)
        directory.finish(folder, export, card.header(opened.trained, merged=True), body)
    log.info("logits differ by %.1e of their size; peak memory %.2f GB", found.relative, export.peak_memory_bytes / 1e9)


def _record(opened: Opened, kind: str, dtype: str, found: records.Agreement) -> Export:
    from qft.version import __version__

    method = opened.trained.adapter["name"]
    return Export(kind, opened.name, method, opened.base, __version__, records.now(), dtype, found, int(peak_bytes()))


def _to_lora(config: ExportConfig, opened: Opened, out: Path) -> None:
    from qft.export import card, directory, lora
    from qft.models import inject, load
    from qft.training.model_card import hub_id

    parts, encoded = _encode(opened, config.samples)
    model: Any = inject.load_adapter(load.load_base(opened.subject.model, load.precision()), opened.adapter)
    _check_whole_modules(model)
    fitting, measuring = _batches(opened, encoded)
    found = lora.convert(model, fitting, measuring, lora.check_rank(config.rank), config.bias)
    with directory.new(out) as folder:
        lora.write(folder, model, found, hub_id(opened.subject.model["path"]))
        directory.add_tokenizer(folder, opened.tokenizer, opened.template.text)
        losses, agreement = _measure(opened, model, folder, parts, encoded, found)
        conversion = _conversion(config, found, losses, agreement)
        del model
        if config.scores:
            conversion = replace(conversion, scores=_scores(config, opened, folder))
        export = replace(_record(opened, "lora", "torch.float32", agreement), conversion=conversion)
        record = RunDirectory(opened.run).record()
        body = card.lora(opened.name, opened.trained, record, conversion)
        directory.finish(folder, export, card.header(opened.trained, merged=False), body)
    RunDirectory(opened.run).save(conversion)


def _check_whole_modules(model: Any) -> None:
    """Refuse further modules, or biases of the base, that were trained whole beside the adapter."""
    config = vars(model.peft_config[model.active_adapter])
    if config.get("bias") not in (None, "none"):
        raise QftError(f"The adapter has trained the base's biases (bias={config['bias']}); export it to=merged.")
    if whole := config.get("modules_to_save"):
        raise QftError(f"The adapter has trained {', '.join(whole)} whole, which no LoRA holds; export it to=merged.")


def _encode(opened: Opened, samples: int | None) -> "tuple[Parts, dict[str, Encoded]]":
    """The samples as tokens: to fit on, to measure shares on, and those that losses are of."""
    from qft.data import prepare, template

    subject = opened.subject
    parts = prepare.split(prepare.load(subject.data), subject.n, subject.data)
    stored.check_data(opened.run, parts.summary.fingerprint)
    overlong = prepare.overlong(subject.data)

    def encode(part: Any) -> "Encoded":
        return template.encode(part, opened.tokenizer, opened.template, subject.max_seq_len, overlong, needed=False)

    encoded = {"training": encode(parts.train[:samples]), "validation": encode(parts.validation)}
    if not all(part.rows for part in encoded.values()):
        raise QftError(f"No sample has an assistant token within max_seq_len={subject.max_seq_len}; raise it.")
    compared = "held-out" if parts.heldout else "validation"
    encoded[compared] = encode(parts.heldout) if parts.heldout else encoded["validation"]
    return parts, encoded


def _batches(opened: Opened, encoded: "dict[str, Encoded]") -> Any:
    from qft.models import activations

    return [activations.padded(opened.tokenizer, encoded[name].rows, BATCH) for name in ("training", "validation")]


def _measure(
    opened: Opened, model: Any, folder: Path, parts: "Parts", encoded: "dict[str, Encoded]", found: "Converted"
) -> tuple[Losses, records.Agreement]:
    """Losses and logits of adapter, base and LoRA; the last is read from its files, on the base without the adapter."""
    from qft.export import agreement
    from qft.models import inject

    tokens = agreement.random_tokens(model)
    compared = "held-out" if "held-out" in encoded else "validation"
    adapted, adapter_loss = agreement.logits_of(model, tokens), _loss(opened, model, encoded[compared])
    base = model.unload()
    reference: Reference = agreement.Reference(tokens, adapted, agreement.logits_of(base, tokens))
    base_loss = _loss(opened, base, encoded[compared])
    lora = inject.load_adapter(base, folder)
    agrees = reference.compare(lora)
    losses = Losses(compared, adapter_loss, _loss(opened, lora, encoded[compared]), base_loss)
    limit = agreement.allowed(base.dtype, len(found.layers))
    if found.exact and not agrees.relative <= limit:
        raise QftError(
            f"The LoRA's logits differ from the adapter's by {agrees.relative:.1e} of their size, and rounding "
            f"explains {limit:.1e}: it was not kept. Please report this."
        )
    log.info("%s loss: adapter %.4f, LoRA %.4f, base %.4f", compared, adapter_loss, losses.lora, base_loss)
    return losses, agrees


def _loss(opened: Opened, model: Any, encoded: "Encoded") -> float:
    """Nats a token."""
    from qft.evaluation.loss import sample_losses

    rows = sorted(encoded.rows, key=lambda row: len(row["input_ids"]))
    each = sample_losses(model, opened.tokenizer, rows, BATCH, "loss")
    return sum(loss for loss, _ in each) / sum(tokens for _, tokens in each)


def _conversion(config: ExportConfig, found: "Converted", losses: Losses, agreement: records.Agreement) -> Conversion:
    def mean(values: list[float]) -> float:
        return sum(values) / len(values)

    return Conversion(
        rank=found.rank,
        automatic=config.rank == "auto",
        exact=found.exact,
        bias=found.bias,
        fitted_tokens=found.fitted,
        measured_tokens=found.measured,
        share=mean([each.share for each in found.shares]),
        linear_share=mean([each.linear_share for each in found.shares]),
        curve=found.curve,
        layers=found.shares,
        losses=losses,
        agreement=agreement,
    )


def _scores(config: ExportConfig, opened: Opened, lora: Path) -> dict[str, dict[str, float | None]]:
    """Test scores of adapter, LoRA and base, answered and scored alike."""
    subject = opened.subject
    asked = replace(config.evaluation, metrics=subject.metrics, baseline=True)
    common = EvalConfig(
        evaluation=asked,
        backend=config.backend,
        metric=config.metric,
        model=subject.model,
        data=subject.data,
        n=subject.n,
        seed=subject.seed,
        max_seq_len=subject.max_seq_len,
    )
    with tempfile.TemporaryDirectory(prefix="qft-") as scratch:
        alone = replace(common, evaluation=replace(asked, baseline=False))
        adapter, measured = (
            evaluate(replace(each, out=f"{scratch}/{name}", adapter={"name": "saved", "path": str(path)})).metrics()
            for name, path, each in (("adapter", opened.adapter, alone), ("lora", lora, common))
        )
    models: dict[str, Scores | None] = {"adapter": adapter.metrics, "lora": measured.metrics, "base": measured.base}
    names = list(adapter.metrics.test)
    return {name: {model: s.test[name].value for model, s in models.items() if s and name in s.test} for name in names}
