"""What is read from a sweep directory is a stranger's: texts steer nothing, numbers are numbers, files unaltered."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qft.errors import QftError
from qft.names import visible
from qft.records import COMPLETE, SCORED, RunDirectory

# the numbers that tables, pictures and sentences are made of; all others are shown as texts or not at all
RECORD = {
    "parameters": ("trainable", "base", "ratio_to_lora_r4"),
    "training": (
        *("steps", "seconds", "peak_memory_mb", "circuits"),
        *("validation_loss", "validation_loss_at_start", "train_loss_run_mean", "train_loss_final_epoch"),
    ),
}
METRICS = {"validation": ("loss",), "generation": ("tokens_per_second", "peak_memory_bytes", "seconds")}


def text(value: Any) -> str:
    """A text of the sweep's own files as it may be shown, whatever lies there in its place."""
    return visible(value if isinstance(value, str) else str(value))


def rate(value: Any) -> float:
    """A learning rate. Raises ValueError or TypeError where it is none."""
    found = float(value)
    if not math.isfinite(found):
        raise ValueError(f"a learning rate of {found}")
    return found


def choices(document: Mapping[str, Any]) -> dict[str, Any]:
    """choices.json with texts and numbers where they belong. Raises what its not being so raises."""
    chosen = []
    for entry in document.get("chosen", []):
        losses = {rate(lr): None if loss is None else rate(loss) for lr, loss in entry["validation_losses"].items()}
        named = {"label": text(entry["label"]), "data": text(entry["data"]), "lr": rate(entry["lr"])}
        chosen.append(named | {"edge": bool(entry.get("edge")), "validation_losses": losses})
    return {"chosen": chosen}


def numbers(record: Mapping[str, Any], metrics: Mapping[str, Any]) -> None:
    """Raise QftError where a number that is shown is none."""
    for name, document, places in (("record.json", record, RECORD), ("metrics.json", metrics.get("metrics"), METRICS)):
        for block, keys in places.items():
            for key in keys:
                _number(f"{name}, {block}.{key}", ((document or {}).get(block) or {}).get(key))
    for name, score in ((metrics.get("metrics") or {}).get("test") or {}).items():
        _number(f"metrics.json, {visible(name)}", score.get("value"))


def _number(where: str, value: Any) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float)) or not _finite(value)):
        raise QftError(f"{where} is no number")


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond what a float holds
        return False


def unaltered(folder: Path) -> None:
    """Raise QftError where what a run was declared with is not what lies there now. Earlier versions declared less."""
    run = RunDirectory(folder)
    if (folder / COMPLETE).is_file():
        run.verify(("config.yaml", "record.json", "history.csv"))
    if (folder / SCORED).is_file():
        run.verify_scores()
