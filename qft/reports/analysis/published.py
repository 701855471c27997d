"""What the papers print (published.yaml), to stand beside what was measured and never be mixed with it."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from qft.reports.read import Cell, Sweep

MEASURED_AS = {  # a published metric -> the score that is computed in the way published tables probably were
    "bleu4": "bleu4_llamafactory",
    "rouge1": "rouge1_llamafactory",
    "rouge2": "rouge2_llamafactory",
    "rougel": "rougel_llamafactory",
    "bertscore_f1": "bertscore_f1",
    "ctc": "ctc",
    "ac": "ac",
    "accuracy": "accuracy",
    "sa": "sa",
}
TITLES = {
    "bleu4": "BLEU-4",
    "rouge1": "ROUGE-1",
    "rouge2": "ROUGE-2",
    "rougel": "ROUGE-L",
    "bertscore_f1": "BERTScore F1",
    "ctc": "CTC",
    "ac": "AC",
    "accuracy": "Accuracy",
    "sa": "Strict accuracy",
}
SURVEY = {"full", "sora", "prefix", "qaa"}


@cache
def papers() -> dict[str, Any]:
    """published.yaml."""
    content: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("published.yaml").read_text(encoding="utf-8"))
    return content


def paper_of(sweep: Sweep) -> str:
    """Which paper a sweep stands beside: the survey where it trains the survey's methods, else QWTHN's."""
    own = {c.adapter for c in sweep.plain() if c.role != "base"}
    return "survey" if sweep.name.startswith("survey") or len(own & SURVEY) > 1 else "qwthn"


def method(paper: str, cell: Cell) -> dict[str, Any] | None:
    """The published row a cell's row stands beside, or None."""
    if cell.variant or cell.role == "base":
        return None
    for entry in papers()[paper]["methods"]:
        if entry["adapter"] == cell.adapter and (cell.adapter != "lora" or cell.label in (entry["label"], "LoRA")):
            found: dict[str, Any] = entry
            return found
    return None


def block(paper: str, kind: str, data: str) -> dict[str, Any] | None:
    """The published block (``losses`` or ``scores``) of a dataset, or None."""
    found: dict[str, Any] | None = next((b for b in papers()[paper][kind] if data in b["data"]), None)
    return found


def printed(value: Any) -> str:
    """A published number as text; both where a paper contradicts itself."""
    return " / ".join(f"{v:g}" for v in value) if isinstance(value, list) else f"{value:g}"
