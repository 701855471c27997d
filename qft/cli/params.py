"""Trainable parameters of an adapter on a model, exactly, without weights or network; adapter=all compares."""

from dataclasses import replace
from typing import Any

from qft.cli import _budget, _methods
from qft.cli._command import Command
from qft.cli._output import log, megabytes, show
from qft.config import ParamsConfig
from qft.errors import QftError
from qft.progress import quiet_libraries, start_logging
from qft.records import Plain, to_json


def run(config: ParamsConfig) -> None:
    """Print the per-module table, the total, the ratio to LoRA r=4 and the memory it takes."""
    start_logging()
    if "published" in config.adapter:
        if config.budget is None:
            _compare(config)
        else:
            quiet_libraries()
            _budget.compare(config, _methods.every(config.model), config.budget)
        return
    if "_target_" not in config.adapter:
        raise QftError("Choose a method to count: adapter=qwthn, adapter=lora, ... or adapter=all.")
    quiet_libraries()
    from qft.models.count import count

    if config.budget is not None:
        from qft.models.budget import choose

        choice = choose(config.model, config.adapter, config.budget, config.budget_knob)
        log.info("budget: %s", choice)
        config = replace(config, adapter=choice.adapter)
    counts = count(config.model, config.adapter)
    name = f"{config.adapter['name']} on {config.model['name'] or config.model['path']}"
    rows: list[list[Any]] = [
        [m.module, m.in_features, m.out_features, m.layers, m.trainable, m.layers * m.trainable] for m in counts.modules
    ]
    rows.append(["all", None, None, sum(m.layers for m in counts.modules) or None, None, counts.trainable])
    document = {"adapter": config.adapter["name"], "model": config.model["name"]} | to_json(counts.recorded())
    show(config.format, document, name, ["module", "in", "out", "layers", "each", "trainable"], rows)
    if config.format == "table":
        print(
            f"  {counts.ratio:.2%} of LoRA r=4 on the model's target layers ({counts.lora_r4:,}); base {counts.base:,}"
        )
        print(f"  memory: base {megabytes(counts.base_bytes)}, adapter {megabytes(counts.weight_bytes)}, ", end="")
        print(f"gradients {megabytes(counts.weight_bytes)}, AdamW state {megabytes(counts.optimizer_bytes)}")
        for note in counts.notes:
            print(f"  factors: {note}")
    if counts.ratio > 1:
        log.warning("warning: more parameters than LoRA r=4; choose a smaller setting of the adapter.")


def _compare(config: ParamsConfig) -> None:
    """One line a method, beside what papers print for this model."""
    quiet_libraries()
    from qft.models.count import count

    published = (config.adapter["published"] or {}).get(config.model["name"]) or {}
    documents: list[Plain] = []
    rows: list[list[Any]] = []
    for name, adapter in _methods.every(config.model).items():
        printed = published.get(name) or {}
        document: Plain = {"adapter": name, "published": printed or None}
        try:
            counts = count(config.model, adapter)
        except QftError as error:
            documents.append(document | {"error": str(error)})
            rows.append([name, None, None, None, None, None])
            log.warning("%s: %s", name, error)
            continue
        share = counts.trainable / counts.base
        documents.append(
            document | {"trainable": counts.trainable, "ratio": share, "ratio_to_lora_r4": counts.ratio},
        )
        shares = (f"{share:.3%}", f"{counts.ratio:.2%}")
        rows.append([name, counts.trainable, *shares, printed.get("trainable"), printed.get("ratio")])
    columns = ["method", "trainable", "of all weights", "of LoRA r=4", "published", "published share"]
    title = f"all methods on {config.model['name'] or config.model['path']}"
    show(config.format, {"model": config.model["name"], "methods": documents}, title, columns, rows)


COMMAND = Command(ParamsConfig, run)
