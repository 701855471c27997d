"""The table of scores that qft eval, qft score and qft train print."""

from pathlib import Path

from qft.cli._output import log, megabytes, show
from qft.errors import QftError
from qft.evaluation.metrics import measure
from qft.records import Interval, Metrics, RunDirectory, Scores, to_json

NOTE = "Beside published numbers stands 'llamafactory', probably how those were made; variants are never compared."


def show_evaluation(directory: RunDirectory, form: str) -> None:
    """Print losses, scores, and what the answers took."""
    document = directory.metrics()
    written, decoding = document.metrics.generation, document.settings.decoding
    if written is None:
        raise QftError(f"{directory / Metrics.FILE} says nothing of the answers.")
    how = decoding if isinstance(decoding, str) else ", ".join(f"{k} {v}" for k, v in vars(decoding).items())
    report(form, directory.path, document, f"{directory.path} ({written.answers} test answers, {how})")
    log.info(
        "answers: %s tokens, %s unfinished, %s tokens/s, peak memory %s%s",
        f"{written.tokens:,}",
        written.unfinished,
        written.tokens_per_second,
        megabytes(int(written.peak_memory_bytes or 0)),
        f", {written.circuits:,} circuits needed" if written.circuits else "",
    )
    log.info("written: %s/{metrics.json,scores.jsonl,predictions.jsonl}", directory.path)


def show_scores(directory: RunDirectory, form: str) -> None:
    """Print the new scores of existing answers."""
    document = directory.metrics()
    title = f"{directory.path} ({document.settings.prompts.count} test answers)"
    report(form, directory.path, document, title)
    log.info("written: %s/{metrics.json,scores.jsonl}", directory.path)


def _columns(document: Metrics) -> dict[str, Scores]:
    """The measured models by the names of their columns."""
    columns = {"base": document.base} if document.base else {}
    columns["base" if document.settings.adapter is None else "fine-tuned"] = document.metrics
    return columns


def report(form: str, directory: Path, document: Metrics, title: str) -> None:
    """Print losses and every score, a column a model."""
    kinds = _columns(document)
    rows: list[list[str]] = []
    losses = [m.validation for m in kinds.values()]
    if any(losses):
        rows.append(["validation loss", *(_cell(m.loss, m.interval, 4) if m else "-" for m in losses)])
        rows.append(["perplexity", *(_cell(m.perplexity, None, 2) if m else "-" for m in losses)])
    if any(m.heldout_loss is not None for m in kinds.values()):
        rows.append(["held-out loss", *(_cell(m.heldout_loss, None, 4) for m in kinds.values())])
    if kept := document.metrics.forgetting:
        empty = ["-"] * (len(kinds) - 1)
        rows.append(["loss on general text, base", *empty, _cell(kept.before, None, 4)])
        if document.settings.adapter is not None:
            rows.append(["loss on general text, fine-tuned", *empty, _cell(kept.after, None, 4)])
            rows.append(["forgetting, their difference", *empty, _cell(kept.after - kept.before, kept.interval, 4)])
    names = list(dict.fromkeys(name for m in kinds.values() for name in m.test))
    for name in names:
        scores = [m.test.get(name) for m in kinds.values()]
        rows.append([name, *(_cell(s.value, s.interval, measure(name).digits) if s else "-" for s in scores)])
    rows += _standard(kinds)
    show(form, {"directory": str(directory)} | to_json(document), title, ["95 % interval in brackets", *kinds], rows)
    if any(name.endswith("_llamafactory") for name in names):
        log.info(NOTE)


def _standard(kinds: dict[str, Scores]) -> list[list[str]]:
    """A row a score of lm-evaluation-harness, with its standard error."""
    tasks = {name: task for m in kinds.values() for name, task in (m.harness or {}).items()}
    rows = []
    for name, task in tasks.items():
        for score in task.scores:
            measured = [(m.harness or {}).get(name) for m in kinds.values()]
            found = [m.scores.get(score) if m else None for m in measured]
            cells = [_with_error(s.value, s.stderr) if s else "-" for s in found]
            rows.append([f"{name}: {score} ({task.shots}-shot, n={task.samples})", *cells])
    return rows


def _with_error(value: float, error: float | None) -> str:
    return f"{value:.4f}" if error is None else f"{value:.4f}  ± {error:.4f}"


def _cell(value: float | None, interval: Interval | None, digits: int) -> str:
    if value is None:
        return "-"
    between = f"  [{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]" if interval else ""
    return f"{value:.{digits}f}{between}"
