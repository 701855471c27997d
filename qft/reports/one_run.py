"""One run in words: what it was, how it went, and a few of its answers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qft.names import visible
from qft.records import DataRecord, Record, RunDirectory
from qft.reports.answers import score_of, side_by_side
from qft.reports.document import Answered
from qft.reports.inventory import Listed, main_score
from qft.runs.stored import read_config
from qft.sweeps.estimate import in_words
from qft.training.curve import running_mean

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of a run, at which its curve is shown
Facts = list[list[Any]]  # lines of two columns


@dataclass(frozen=True)
class Shown:
    """A run as ``qft show`` prints it.

    Attributes:
        what, how: lines of a word and a value.
        curve: headings and lines of the train and the validation loss through the run; None without a history.
        answers: some of them, beside the base's where it has answered.
    """

    folder: Path
    line: Listed
    what: Facts
    how: Facts
    curve: tuple[list[str], Facts] | None
    answers: list[Answered]


def read_run(folder: Path, line: Listed, count: int) -> Shown:
    """Read a run.

    Args:
        folder: its directory.
        line: what the list of runs says of it.
        count: of answers.

    Raises:
        QftError: It is damaged.
    """
    run = RunDirectory(folder)
    record = run.record() if (folder / Record.FILE).is_file() else None
    what, how = _what(folder, line, record), _how(line, record)
    curve = _curve(run) if (folder / "history.csv").is_file() else None
    return Shown(folder, line, what, how, curve, _answers(run, line, count))


def _what(folder: Path, line: Listed, record: Record | None) -> Facts:
    facts: Facts = [["method", line.method or "none: an evaluation"], ["data", line.data], ["n", line.n]]
    if (folder / "config.yaml").is_file():
        adapter = read_config(folder).adapter
        options = {k: v for k, v in adapter.items() if isinstance(v, (int, float, str)) and k != "name" and k[0] != "_"}
        facts.insert(1, ["its options", visible(", ".join(f"{k}={v}" for k, v in options.items()))])
    if record is None:
        return [fact for fact in facts if fact[1] is not None]
    facts += [["seed", record.seed]]
    if model := record.model:
        size = f", {record.parameters.base:,} parameters" if record.parameters else ""
        facts.append(["base", f"{visible(model.name)}{size}, {visible(model.dtype)} on {visible(model.device)}"])
    if parameters := record.parameters:
        circuit = f", {parameters.circuit:,} of a circuit" if parameters.circuit else ""
        ratio = f"{parameters.ratio_to_lora_r4:.1%} of LoRA r=4{circuit}"
        facts.append(["trainable", f"{parameters.trainable:,} parameters, {ratio}"])
    if data := record.data:
        parts = f"{data.train} train, {data.validation} validate, {data.test} test, {data.heldout} held out"
        facts += [["samples", parts], *_near(data)]
    commit = f", commit {visible(record.git.commit[:10])}" if record.git.commit else ""
    facts += [["started", visible(record.started)], ["command", visible(record.command)]]
    facts.append(["made by", f"qft {visible(record.qft)}{commit}, {visible(record.machine)}"])
    return [fact for fact in facts if fact[1] is not None]


def _near(data: DataRecord) -> Facts:
    near = {pair: count for pair, count in data.near_duplicates.items() if count}
    words = ", ".join(f"{visible(pair)} {count}" for pair, count in near.items())
    return [["near-duplicates", words]] if near else []


def _how(line: Listed, record: Record | None) -> Facts:
    facts: Facts = [["problem", line.problem]] if line.problem else []
    training = record.training if record else None
    if training is None:
        return facts
    rate = (
        "" if training.lr is None else f", learning rate {training.lr:g}{' by rule' if training.lr_automatic else ''}"
    )
    facts.append(["steps", f"{training.steps:,}{rate}"])
    facts.append(["time", f"{in_words(training.seconds)}, {training.seconds / max(training.steps, 1):.3g} s a step"])
    facts.append(["memory", f"{training.peak_memory_mb:,.0f} MB at most"])
    facts.append(["tokens seen", f"{training.tokens:,}"])
    if training.circuits:
        facts.append(["circuits", f"{training.circuits:,}"])
    facts.append(["validation loss", f"{training.validation_loss_at_start:.4f} -> {training.validation_loss:.4f}"])
    if training.heldout_loss is not None:
        facts.append(["held-out loss", f"{training.heldout_loss:.4f}"])
    return facts


def _curve(run: RunDirectory) -> tuple[list[str], Facts] | None:
    history = run.history()
    steps, losses = running_mean(history)
    if not len(steps):
        return None
    places = sorted({round(share * (len(steps) - 1)) for share in SHARES})
    heads = [f"step {int(steps[k])}" for k in places]
    known = {row.step: row.validation_loss for row in history if row.validation_loss is not None}
    at = [max((s for s in known if s <= steps[k]), default=None) for k in places]
    lines: Facts = [["train, running mean", *(f"{losses[k]:.3f}" for k in places)]]
    return heads, [*lines, ["validation, last before", *(None if s is None else f"{known[s]:.3f}" for s in at)]]


def _answers(run: RunDirectory, line: Listed, count: int) -> list[Answered]:
    name = "this run" if line.kind != "evaluation" else line.short
    given = {name: run.predictions(), "base": run.predictions(base=True)}
    given = {row: rows for row, rows in given.items() if rows}
    measure = main_score(run.metrics().metrics) if (run / "metrics.json").is_file() else None
    scored = {row: score_of(run.scores(base=row == "base"), measure) for row in given} if measure else {}
    return side_by_side(given, scored, (measure or "").partition("_")[0], count)
