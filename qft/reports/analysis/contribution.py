"""What does the circuit contribute? The method against itself without its circuit, and against classical stand-ins."""

from collections.abc import Sequence
from dataclasses import dataclass

from qft.evaluation.metrics.base import Measure
from qft.reports.analysis import measures
from qft.reports.analysis.comparisons import STAND_INS, Comparison
from qft.reports.analysis.words import interval, signed
from qft.reports.sweep import Cell, Sweep, changes, ordered
from qft.statistics import verdict
from qft.statistics.verdict import BETTER, DESCRIPTIVE, EQUAL, UNDECIDED, WORSE


@dataclass(frozen=True)
class Answer:
    """One sentence for one method, dataset, n and measure.

    ``kind``: contributes, replaceable, equal, undecided, costs, descriptive or unknown.
    """

    kind: str
    sentence: str


def answers(sweep: Sweep, compared: Sequence[Comparison]) -> list[Answer]:
    """By the dataset's test score and, where it can be told, by loss.

    One of each for every method, dataset and n whose circuit was taken away; empty where none was planned.
    """
    out = []
    for cells in _methods(sweep):
        data, n = cells[0].data, cells[0].n
        score = measures.primary(sweep, data)
        by_loss = _answer(cells, compared, measures.loss(sweep), data, n)
        out += [_answer(cells, compared, score, data, n)] if score else []
        out += [by_loss] if not score or by_loss.kind != "unknown" else []
    return out


def _methods(sweep: Sweep) -> list[list[Cell]]:
    """The runs of each row whose circuit was taken away, with those that change it; such runs alone without the row."""
    without = [c for c in sweep.final() if "circuit" in c.variant]
    out = []
    for adapter, data, n in ordered((c.adapter, c.data, c.n) for c in without):
        alike = [c for c in sweep.final() if (c.adapter, c.data, c.n) == (adapter, data, n)]
        rows = ordered(c.row for c in alike if not c.variant and any(changes(w, c) for w in without))
        for whole in ([c for c in alike if c.row == row and not c.variant] for row in rows):
            out.append([*whole, *(c for c in alike if changes(c, whole[0]))])
        out += [] if rows else [alike]
    return out


def headline(answered: Sequence[Answer]) -> str:
    """All answers in one line."""
    if not answered:
        return (
            "These runs cannot tell: no method has finished runs both with and without its circuit. "
            "qft sweep ablation trains them."
        )
    if len(answered) == 1:
        return answered[0].sentence
    words = {
        "contributes": "the circuit contributes",
        "replaceable": "it helps, but is not shown to beat a classical stand-in",
        "equal": "it makes no difference",
        "undecided": "undecided",
        "costs": "the method is better without it",
        "descriptive": "no verdict, the numbers are shown",
        "unknown": "these runs cannot tell",
    }
    counted = [(sum(a.kind == kind for a in answered), text) for kind, text in words.items()]
    return f"Of {len(answered)} comparisons: " + "; ".join(f"{text} in {k}" for k, text in counted if k) + "."


def _answer(cells: Sequence[Cell], compared: Sequence[Comparison], measure: Measure, data: str, n: int) -> Answer:
    whole = next((c.row for c in cells if not c.variant), cells[0].label)
    alike = [c for c in compared if (c.row, c.data, c.n, c.measure) == (whole, data, n, measure)]
    where = f"{whole} on {data}, n = {n}"
    without = next((c for c in alike if c.other in _rows(cells, ("none",))), None)
    if without is None or without.interval is None:
        return Answer("unknown", f"{where}: these runs cannot tell; {_lacking(cells, without)}.")
    shown = (
        f"with its circuit {measure.title} is {without.mean:.{measure.digits}f}, without it "
        f"{without.other_mean:.{measure.digits}f}: a difference of {_difference(without)}, {_seeds(without)}"
    )
    if without.word == DESCRIPTIVE:
        return Answer("descriptive", f"{where}: no verdict without {without.verdict.help}; {shown}.")
    if without.word == UNDECIDED:
        return Answer("undecided", f"{where}: undecided (what would help: {without.verdict.help}); {shown}.")
    if without.word == EQUAL:
        return Answer("equal", f"{where}: the circuit makes no difference; {shown}.")
    if without.word == WORSE:
        return Answer("costs", f"{where}: the circuit costs; {shown}.")
    kind, rest = _against_stand_ins(alike, ordered(_rows(cells, STAND_INS)))
    verb = "contributes" if kind == "contributes" else "helps"
    return Answer(kind, f"{where}: the circuit {verb}; {shown}{rest}")


def _against_stand_ins(compared: Sequence[Comparison], planned: Sequence[str]) -> tuple[str, str]:
    """What the classical stand-ins say of a circuit that helps: the kind of the answer, and the rest of it."""
    stand_ins = [c for c in compared if c.other in planned]
    equal = [f"{_short(c)} ({_difference(c)})" for c in stand_ins if c.word != BETTER]
    equal += [f"{row} (no finished run)" for row in planned if row not in {c.other for c in stand_ins}]
    if equal:
        rivals = " and ".join(equal)
        return "replaceable", f"; but it is not shown to beat {rivals}, so no gain from being quantum is shown."
    if not stand_ins:
        return "contributes", ". No classical stand-in was tried."
    return "contributes", f"; it also beats {' and '.join(f'{_short(c)} ({_difference(c)})' for c in stand_ins)}."


def _rows(cells: Sequence[Cell], circuits: Sequence[str]) -> list[str]:
    return [c.row for c in cells if c.variant.get("circuit") in circuits and len(c.variant) == 1]


def _seeds(c: Comparison) -> str:
    return f"the same sign in {c.agree} of {c.seeds} seeds" if c.seeds > 1 else "1 seed"


def _short(c: Comparison) -> str:
    return c.other.removeprefix(f"{c.row}, ")


def _difference(c: Comparison) -> str:
    level = f"{100 * (1 - verdict.level(c.planned, c.looks)):.3g} %"
    return f"{signed(c.verdict.estimate, c.measure.digits)}, {level} interval {interval(c.interval, c.measure.digits)}"


def _lacking(cells: Sequence[Cell], without: Comparison | None) -> str:
    """Why there is no answer."""
    if without is not None:
        return "too few values for an interval"
    whole = [c for c in cells if not c.variant]
    none = [c for c in cells if c.variant.get("circuit") == "none"]
    for words, group in (("the method itself", whole), ("the method without its circuit", none)):
        if not group:
            return f"{words} was not planned"
        if not any(c.done for c in group):
            return f"{words} has no finished run"
    return "no seed and score is finished on both sides"
