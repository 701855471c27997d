"""docs/artefacts.md: every file that a run or sweep writes, with its keys, from the dataclasses of qft.records."""

import ast
import dataclasses
import inspect
import textwrap
import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from configuration_page import escaped

from qft import records
from qft.claims import claim
from qft.records import schema
from qft.sweeps import spec

INTRODUCTION = """\
# What a run holds

<!-- Written by scripts/build_docs.py from the dataclasses of qft.records; change those and run it again. -->

Everything is written under a temporary name and renamed, and a marker comes last: what has its marker is whole. JSON
files state their schema number; a file of an earlier version is read, or refused in one sentence, and so is one with a
key that is unknown, missing or of the wrong type. In Python, `qft.records.RunDirectory(path)` has a method for each.

| In a run | |
|---|---|
| `config.yaml` | the resolved configuration |
| `adapter/` | weights (safetensors), configuration and model card of the adapter; the whole model with `adapter=full` |
| `curve.png` | the losses of `history.csv` as a picture |
| `log.txt` | the log of all starts |
| `checkpoints/` | checkpoints to resume from, removed at the end |
| `tensorboard/` | with `trainer.report_to=[tensorboard]`, what TensorBoard shows |
| `forecast/` | what `qft forecast` wrote, a directory for each chip, number of shots and mode |
"""
RUN = {
    "record.json": records.Record,
    "history.csv": records.HistoryRow,
    "heldout.csv": records.HeldoutLoss,
    "evaluation.json": records.EvaluationSettings,
    "metrics.json": records.Metrics,
    "predictions.jsonl": records.Prediction,
    "scores.jsonl": records.ScoreRow,
    "validation.jsonl": records.ValidationRow,
    "general.jsonl": records.GeneralRow,
    "conversion.json": records.Conversion,
    "COMPLETE": records.Completion,
    "SCORED": records.Scoring,
    "DIVERGED": records.Divergence,
    "forecast/NAME/forecast.json": records.Forecast,
}
OUTPUT = {
    "untuned-KEY.json": records.UntunedLosses,
    "RUN-lora/export.json, RUN-merged/export.json": records.Export,
    "RUN-fit/fit.json": records.Fit,
}
SWEEP = {
    "sweep.json": records.SweepPlan,
    "choices.json": records.Choices,
    "identities.json": records.Identities,
    "cells/NAME/cell.json": records.CellState,
}
AFTER = {
    "predictions.jsonl": "Answers of the base, with the adapter switched off, stand in `base_predictions.jsonl`, their "
    "scores in `base_scores.jsonl` and the base's losses in `base_validation.jsonl`.",
    "forecast/NAME/forecast.json": "Beside it stand the same as a page, `forecast.html`, and as Markdown, "
    "`forecast.md`, with its pictures.",
    "cells/NAME/cell.json": "The rest of `cells/NAME/` is an ordinary run.",
}
ROOT = Path(__file__).parent.parent
HEADER = ("| Key | Type | Meaning |", "|---|---|---|")
KEYS = "<!-- keys: written by scripts/build_docs.py from the dataclasses of qft/sweeps/spec.py -->"
CLAIM_KEYS = "<!-- keys: written by scripts/build_docs.py from the dataclasses of qft/claims/claim.py -->"
END_OF_KEYS = "<!-- end of keys -->"
WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false", types.NoneType: "null", Any: "any"}


def comments(kind: type) -> dict[str, str]:
    """Field -> the comment behind it in the source."""
    lines = textwrap.dedent(inspect.getsource(kind)).splitlines()
    (definition,) = ast.parse("\n".join(lines)).body
    fields = [node for node in getattr(definition, "body", ()) if isinstance(node, ast.AnnAssign)]
    found = {ast.unparse(node.target): lines[node.end_lineno - 1][node.end_col_offset :] for node in fields}
    return {name: rest.strip().removeprefix("#").strip() for name, rest in found.items()}


def inner(kind: Any) -> tuple[Any, str]:
    """The dataclass within a type, and how a key of it is written: NAME. in a dict, [] in a list."""
    if dataclasses.is_dataclass(kind):
        return kind, "."
    for part in get_args(kind) if get_origin(kind) in (Union, types.UnionType, list, dict) else ():
        found, path = inner(part)
        if found:
            return found, {list: "[]", dict: ".NAME"}.get(get_origin(kind), "") + path
    return None, ""


def words(kind: Any) -> str:
    """A type in words."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(map(words, parts)))
    if origin is Literal:
        return " or ".join(f"`{part}`" for part in parts)
    if origin is dict:
        return "mapping" if parts[1] is Any else f"mapping to {words(parts[1])}"
    if origin in (list, tuple):
        return f"list of {' and '.join(dict.fromkeys(map(words, parts)))}"
    return WORDS.get(kind, "mapping")


def rows(kind: Any, prefix: str = "", known: dict[Any, str] | None = None) -> list[str]:
    """A line for each key of a dataclass, and for each key of those within it, once."""
    out, said, hints = [], comments(kind), get_type_hints(kind)
    known = {} if known is None else known
    for field in dataclasses.fields(kind):
        nested, path = inner(hints[field.name])
        name = prefix + ("..." if field.metadata.get("rest") else field.name)
        meaning = (said[field.name] or (inspect.getdoc(nested) if nested else "") or "").rstrip(".")
        if not meaning:
            raise ValueError(f"{kind.__name__}.{field.name} needs a comment that says what it is")
        if nested in known:
            meaning = f"{meaning}; keys as in `{known[nested]}`"
        meaning += "; may be absent" if field.metadata.get("absent") else ""
        out.append(f"| `{name}` | {words(hints[field.name])} | {escaped(meaning.replace('``', '`'))} |")
        if nested and nested not in known and not issubclass(nested, schema.Document):
            known[nested] = name
            out += rows(nested, name + path, known)
    return out


def section(name: str, kind: type) -> list[str]:
    """One file."""
    lines = [f"### {name}", "", (inspect.getdoc(kind) or "").replace("``", "`"), ""]
    if issubclass(kind, schema.Document):
        lines += [f"Schema {kind.SCHEMA}.", ""]
    lines += [*HEADER, *rows(kind), ""]
    return [*lines, AFTER[name], ""] if name in AFTER else lines


def page() -> str:
    """The whole of docs/artefacts.md."""
    lines = [INTRODUCTION, "## A run", ""]
    for name, kind in RUN.items():
        lines += section(name, kind)
    lines += ["## Beside the runs", ""]
    for name, kind in OUTPUT.items():
        lines += section(name, kind)
    lines += ["## A sweep", ""]
    for name, kind in SWEEP.items():
        lines += section(name, kind)
    return "\n".join(lines).rstrip() + "\n"


def sweep_keys() -> str:
    """docs/sweeps.md with the tables of a sweep's yaml between its marks."""
    kinds = {"configs/sweep/NAME.yaml": spec.Spec, "A row": spec.Row, "A scale": spec.Scale}
    return _with_keys("sweeps.md", KEYS, kinds, {spec.Row: "a row", spec.Scale: "a scale"})


def claim_keys() -> str:
    """docs/add-a-claim.md with the tables of a claim's yaml between its marks."""
    return _with_keys("add-a-claim.md", CLAIM_KEYS, {"configs/claim/NAME.yaml": claim.Claim}, {})


def _with_keys(page: str, start: str, kinds: dict[str, type], known: dict[type, str]) -> str:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    before, _, rest = text.partition(f"{start}\n")
    _, _, after = rest.partition(f"{END_OF_KEYS}\n")
    lines = []
    for title, kind in kinds.items():
        given = [row for row in rows(kind, known=dict(known)) if "| `name` |" not in row]
        lines += [f"### {title}", "", inspect.getdoc(kind) or "", "", *HEADER, *given, ""]
    return before + "\n".join([start, "", *lines, END_OF_KEYS, ""]) + after
