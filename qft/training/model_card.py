"""The model card of a trained adapter: README.md beside the weights, with a header as the Hugging Face hub reads it."""

import re
from pathlib import Path
from typing import Any

import yaml

from qft.config import TrainConfig
from qft.errors import QftError
from qft.names import shortened, visible
from qft.process.files import write_text
from qft.records import Metrics, Plain, Record, RunDirectory, Scores

LOADING = """\
```python
import qft.adapters  # makes the method known to PEFT
from peft import PeftModel
from transformers import AutoModelForCausalLM

base = AutoModelForCausalLM.from_pretrained("{base}")
model = PeftModel.from_pretrained(base, "THIS_DIRECTORY")
```"""
WHOLE = """\
```python
from transformers import AutoModelForCausalLM

model = AutoModelForCausalLM.from_pretrained("THIS_DIRECTORY")
```"""


def write(run: Path, config: TrainConfig) -> None:
    """Write adapter/README.md of a run from its config, record.json and, where there are scores, metrics.json.

    Args:
        run: Its directory.
        config: What it was trained with.

    Raises:
        QftError: A file is damaged, or the config has no options of an adapter, a model or a data set.
    """
    directory = RunDirectory(run)
    record = directory.record()
    scores = directory.metrics().metrics if (directory / Metrics.FILE).exists() else None
    try:
        card = text(_header(run.name, config, scores), _body(run.name, config, record, scores))
    except (KeyError, TypeError, ValueError, AttributeError) as error:  # they may be a stranger's
        raise QftError(
            f"{run} gets no model card: config.yaml is not what qft writes "
            f"({type(error).__name__}: {shortened(str(error))})."
        ) from error
    write_text(run / "adapter" / "README.md", card)


def text(header: Plain, body: str) -> str:
    """A card as the hub reads it: the header as YAML, then the text, in which what does not print is spelt out."""
    return f"---\n{yaml.safe_dump(header, allow_unicode=True, sort_keys=False)}---\n\n{visible(body, keep=chr(10))}"


def _header(name: str, config: TrainConfig, scores: Scores | None) -> Plain:
    """The hub's metadata; a base or a data set that lies on this machine only is not named as one of the hub's."""
    whole = config.adapter["_target_"] is None
    header: Plain = {"library_name": "transformers" if whole else "peft", "pipeline_tag": "text-generation"}
    if base := hub_id(config.model["path"]):
        header |= {"base_model": base, "base_model_relation": "finetune" if whole else "adapter"}
    header["tags"] = ["qft", config.adapter["name"]]
    if scores and scores.test:
        found = [
            {"type": key, "name": key, "value": round(score.value, 4)}
            | ({"args": {"answers": score.samples}} if score.samples is not None else {})
            for key, score in scores.test.items()
            if score.value is not None
        ]
        data = {"name": config.data["name"], "type": config.data["name"], "split": "test"}
        task = {"type": "text-generation", "name": "Text generation"}
        header["model-index"] = [{"name": name, "results": [{"task": task, "dataset": data, "metrics": found}]}]
    return header


def hub_id(path: str) -> str | None:
    """The path where it is an id of a hub (OWNER/NAME) and no directory here."""
    named = re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", path)
    return path if named and not Path(path).exists() else None


def _body(name: str, config: TrainConfig, record: Record, scores: Scores | None) -> str:
    adapter, model, training, parameters = config.adapter, record.model, record.training, record.parameters
    if model is None or training is None or parameters is None:
        raise QftError(f"{name} gets no model card: its record.json has no model, parameters or training.")
    base = hub_id(config.model["path"]) or model.name
    lines = [f"# {name}", "", f"`{adapter['name']}` on `{base}`, fine-tuned with qft {record.qft} on "]
    lines[-1] += f"`{config.data['name']}` (n={config.n}, seed {config.seed})."
    lines += [
        "",
        "## Load",
        "",
        WHOLE
        if adapter["_target_"] is None
        else LOADING.format(base=hub_id(config.model["path"]) or "DIRECTORY_OF_THE_BASE_MODEL"),
    ]
    results = [
        ("trainable parameters", f"{parameters.trainable:,}"),
        ("share of LoRA r=4", f"{parameters.ratio_to_lora_r4:.2%}"),
        ("validation loss before", _number(training.validation_loss_at_start)),
        ("validation loss after", _number(training.validation_loss)),
        *([] if training.heldout_loss is None else [("held-out loss after", _number(training.heldout_loss))]),
        ("training loss, mean of the run", _number(training.train_loss_run_mean)),
    ]
    if scores and (general := scores.forgetting):
        results += [
            ("loss on general text before", _number(general.before)),
            ("loss on general text after", _number(general.after)),
        ]
    if scores and scores.generation:
        given = scores.generation.answers
        results += [(f"{key} ({_answers(s.samples, given)})", _number(s.value)) for key, s in scores.test.items()]
        for name, task in (scores.harness or {}).items():
            asked = f"lm-evaluation-harness, {task.shots}-shot, {task.samples:,} questions"
            results += [(f"{name}: {key} ({asked})", _number(s.value)) for key, s in task.scores.items()]
    lines += ["", "## Results", "", *_table("result", results)]
    options = {k: v for k, v in adapter.items() if k not in ("_target_", "name", "about", "card", "supports")}
    settings = [(f"adapter.{k}", v) for k, v in options.items()]
    settings += [(f"trainer.{k}", v) for k, v in vars(config.trainer).items()]
    settings += [("max_seq_len", config.max_seq_len), ("backend", config.backend["name"])]
    lines += ["", "## Settings", "", *_table("setting", settings)]
    lines += ["", f"Made by `{record.command}`.", ""]
    return "\n".join(lines)


def _answers(judged: int | None, given: int) -> str:
    """Name the answers that a score covers: fewer than were given where some cannot be judged."""
    if judged is None:
        return "test"
    counted = f"{given:,} answer{'' if given == 1 else 's'}"
    return f"test, {counted}" if judged == given else f"test, {judged:,} of {counted}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _table(title: str, rows: list[tuple[str, Any]]) -> list[str]:
    escaped = [(key, str(value).replace("|", "\\|")) for key, value in rows]
    return [f"| {title} | value |", "|---|---|", *(f"| {key} | {value} |" for key, value in escaped)]
