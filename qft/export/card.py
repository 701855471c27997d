"""The cards of what is exported: README.md with the hub's header, how it is loaded, and what was measured."""

from pathlib import Path

from qft.config import TrainConfig
from qft.process.files import write_text
from qft.records import Agreement, Conversion, Plain, Record
from qft.training.model_card import hub_id, text

LORA = """\
```python
from peft import PeftModel
from transformers import AutoModelForCausalLM

base = AutoModelForCausalLM.from_pretrained("{base}")
model = PeftModel.from_pretrained(base, "THIS_DIRECTORY")
```"""
MERGED = """\
```python
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained("THIS_DIRECTORY")
tokenizer = AutoTokenizer.from_pretrained("THIS_DIRECTORY")
```"""


def write_card(folder: Path, header: Plain, body: str) -> None:
    """README.md of an export."""
    write_text(folder / "README.md", text(header, body))


def header(trained: TrainConfig, merged: bool) -> Plain:
    """The hub's metadata; a base that lies on this machine only is not named as one of the hub's."""
    out: Plain = {"library_name": "transformers" if merged else "peft", "pipeline_tag": "text-generation"}
    if base := hub_id(trained.model["path"]):
        out |= {"base_model": base, "base_model_relation": "merge" if merged else "adapter"}
    return out | {"tags": ["qft", trained.adapter["name"], *([] if merged else ["lora"])]}


def merged(name: str, trained: TrainConfig, record: Record, agreement: Agreement, dtype: str) -> str:
    """Text of the card of a merged model."""
    return "\n".join(
        [
            f"# {name}, merged",
            "",
            f"{_origin(trained, record)} The adapter is added to the weights: this is a plain model that loads "
            "without qft.",
            "",
            "## Load",
            "",
            MERGED,
            "",
            "## Checked",
            "",
            f"Weights in {dtype}. {_agreement(agreement)}",
            "",
        ]
    )


def lora(name: str, trained: TrainConfig, record: Record, conversion: Conversion) -> str:
    """Text of the card of a LoRA: with what was lost on the way."""
    base = hub_id(trained.model["path"]) or "DIRECTORY_OF_THE_BASE_MODEL"
    equal = "It equals the adapter but for rounding." if conversion.exact else "**It is not the adapter itself.**"
    constants = " It adds constants (`lora_bias`), which not every program reads." if conversion.bias else ""
    lines = [
        f"# {name} as a LoRA of rank {conversion.rank}",
        "",
        f"{_origin(trained, record)} This is an ordinary LoRA that stands for that adapter. {equal}{constants}",
        "",
        "## Load",
        "",
        LORA.format(base=base),
        "",
        "## What was lost",
        "",
        *_losses(conversion),
        "",
        f"{_agreement(conversion.agreement)}",
        "",
    ]
    return "\n".join([*lines, *_shares(conversion)])


def _origin(trained: TrainConfig, record: Record) -> str:
    base = hub_id(trained.model["path"]) or (record.model.name if record.model else "its base")
    data = f"`{trained.data['name']}` (n={trained.n}, seed {trained.seed})"
    return f"Made by qft {record.qft} from a `{trained.adapter['name']}` adapter of `{base}`, trained on {data}."


def _agreement(a: Agreement) -> str:
    return (
        f"On {a.positions} random tokens the logits differ from the adapter's by {a.largest:.2g} at most, "
        f"{a.relative:.2g} of their size and {a.of_change:.2g} of what the adapter changes of its base's; the most "
        f"probable next token is the same at {a.same_token:.1%} of them."
    )


def _losses(conversion: Conversion) -> list[str]:
    found = conversion.losses
    columns = {"adapter": "adapter", "lora": "this LoRA", "base": "untuned base"}
    lines = [f"| | {' | '.join(columns.values())} |", "|---|---|---|---|"]
    lines.append(
        f"| {found.samples} loss, nats per token | {found.adapter:.4f} | {found.lora:.4f} | {found.base:.4f} |"
    )
    for name, scores in conversion.scores.items():
        values = (scores.get(model) for model in columns)
        lines.append(f"| {name} | {' | '.join('-' if v is None else f'{v:.2f}' for v in values)} |")
    return lines


def _shares(conversion: Conversion) -> list[str]:
    if conversion.exact:
        return []
    lines = [
        f"It explains {conversion.share:.1%} of what the adapter adds to its layers' outputs, of "
        f"{conversion.linear_share:.1%} that LoRAs of any rank explain (means over layers, on "
        f"{conversion.measured_tokens:,} tokens of validation samples; fitted on "
        f"{conversion.fitted_tokens:,} tokens of training samples).",
        "",
        "| rank | share explained |",
        "|---|---|",
        *(f"| {rank} | {share:.1%} |" for rank, share in conversion.curve),
        "",
        "| layer | share explained | at any rank |",
        "|---|---|---|",
        *(f"| {each.linear} | {each.share:.1%} | {each.linear_share:.1%} |" for each in conversion.layers),
        "",
    ]
    return lines
