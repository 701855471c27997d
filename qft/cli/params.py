"""Trainable parameters of an adapter on a model, exactly, without weights or network."""

from qft.cli._output import log, megabytes, quiet_libraries, show, start_logging
from qft.config import ParamsConfig
from qft.errors import QftError


def run(config: ParamsConfig, overrides: list[str]) -> None:
    """Print the per-module table, the total, the ratio to LoRA r=4 and the memory it takes."""
    start_logging()
    if "_target_" not in config.adapter:
        raise QftError("Choose a method to count: adapter=qwthn, adapter=lora, ...")
    quiet_libraries()
    from qft.models.count import count

    counts = count(config.model, config.adapter)
    name = f"{config.adapter['name']} on {config.model['name'] or config.model['path']}"
    rows = [
        [m.module, m.in_features, m.out_features, m.layers, m.trainable, m.layers * m.trainable] for m in counts.modules
    ]
    rows.append(["all", None, None, sum(m.layers for m in counts.modules), None, counts.trainable])
    document = {"adapter": config.adapter["name"], "model": config.model["name"]} | counts.as_dict()
    show(config.format, document, name, ["module", "in", "out", "layers", "each", "trainable"], rows)
    if config.format == "table":
        print(f"  {counts.ratio:.2%} of LoRA r=4 on the same layers ({counts.lora_r4:,}); base {counts.base:,}")
        print(f"  memory: base {megabytes(counts.base_bytes)}, adapter {megabytes(counts.weight_bytes)}, ", end="")
        print(f"gradients {megabytes(counts.weight_bytes)}, AdamW state {megabytes(counts.optimizer_bytes)}")
        for note in counts.notes:
            print(f"  factors: {note}")
    if counts.ratio > 1:
        log.warning("warning: more parameters than LoRA r=4; set a smaller adapter.width or adapter.bond_dim.")
