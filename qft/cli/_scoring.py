"""What qft eval and qft score share: the metrics' options, and the table of scores."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from qft.cli._output import log, show
from qft.compose import configs, trusted
from qft.compose.typed import check_types
from qft.evaluation.metrics import measure
from qft.records import Interval, Metrics, Scores, to_json

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


def report(form: str, directory: Path, document: Metrics, kinds: Mapping[str, Scores], title: str) -> None:
    """Print losses and every score, a column a model; ``kinds``: column name -> what was measured."""
    rows: list[list[str]] = []
    losses = [m.validation for m in kinds.values()]
    if any(losses):
        rows.append(["validation loss", *(_cell(m.loss, m.interval, 4) if m else "-" for m in losses)])
        rows.append(["perplexity", *(_cell(m.perplexity, None, 2) if m else "-" for m in losses)])
    names = list(dict.fromkeys(name for m in kinds.values() for name in m.test))
    for name in names:
        scores = [m.test.get(name) for m in kinds.values()]
        rows.append([name, *(_cell(s.value, s.interval, measure(name).digits) if s else "-" for s in scores)])
    show(form, {"directory": str(directory)} | to_json(document), title, ["95 % interval in brackets", *kinds], rows)
    if any(name.endswith("_llamafactory") for name in names):
        log.info(NOTE)


def _cell(value: float | None, interval: Interval | None, digits: int) -> str:
    if value is None:
        return "-"
    between = f"  [{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]" if interval else ""
    return f"{value:.{digits}f}{between}"
