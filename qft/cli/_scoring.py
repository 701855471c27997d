"""What qft eval and qft score share: the metrics' options, and the table of scores."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from qft.cli._output import log, show
from qft.compose import configs, trusted
from qft.compose.typed import check_types

MAIN = "standard"  # the variant shown by default
ALONE = "~"  # of a score without variants; sorts last
NOTE = "Beside published numbers stands 'llamafactory', probably how those were made; variants are never compared."


def metric_options(metrics: Sequence[str], given: Mapping[str, Any] | None) -> dict[str, dict[str, Any]]:
    """Options of the metrics: their yaml files, over them what ``metric.NAME.OPTION=`` says.

    Raises QftError for metrics and options that do not exist and for values that cannot be scored with.
    """
    from qft.evaluation.score import check, check_values

    given = given or {}
    check(metrics, given)
    out = {}
    for name in metrics:
        file = configs.find(f"metric/{name}")
        declared = configs.read(file) if file else OmegaConf.create({})
        merged = OmegaConf.merge(declared, given.get(name) or {})
        trusted.check_interpolations(merged)
        check_types(declared, merged, f"metric.{name}")
        options: Any = OmegaConf.to_container(merged, resolve=True)
        out[name] = {k: v for k, v in options.items() if k != "_target_"}
    check_values(metrics, out)
    return out


def report(
    form: str, directory: Path, document: dict[str, Any], kinds: Mapping[str, Any], title: str, verbose: bool
) -> None:
    """Print losses and scores, a column a model, a block a variant; ``kinds``: column name -> block of metrics.json.

    Of a score in several variants only the one named MAIN, unless ``verbose``.
    """
    rows: list[list[str]] = []
    if any("validation" in m for m in kinds.values()):
        for label, key in (("validation loss", "loss"), ("perplexity", "perplexity")):
            rows.append([label, *(_cell(m.get("validation", {}), key) for m in kinds.values())])
    names = list(dict.fromkeys(name for m in kinds.values() for name in m["test"]))
    shown = [name for name in names if verbose or _variant(name) in (MAIN, ALONE)]
    for name in sorted(shown, key=_variant):
        rows.append([name, *(_cell(m["test"].get(name, {}), "value") for m in kinds.values())])
    show(form, {"directory": str(directory)} | document, title, ["95 % interval in brackets", *kinds], rows)
    if len(shown) < len(names):
        log.info("%d scores more, of other variants: metrics.json, or verbose=true", len(names) - len(shown))
    elif any(name.endswith("_llamafactory") for name in shown):
        log.info(NOTE)


def _variant(name: str) -> str:
    """What scores are grouped by: the variant of one that has any; the others come last."""
    return name.partition("_")[2] if name.startswith(("bleu", "rouge")) else ALONE


def _cell(found: Mapping[str, Any], key: str) -> str:
    value, interval = found.get(key), found.get("interval")
    if value is None:
        return "-"
    digits = 4 if key == "loss" else 2
    shown = f"{value:.{digits}f}"
    if interval and key != "perplexity":
        shown += f"  [{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]"
    return shown
