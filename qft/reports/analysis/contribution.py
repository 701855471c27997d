"""What does the circuit contribute? The method against itself without its circuit, and against classical stand-ins."""

from collections.abc import Sequence
from dataclasses import dataclass

from qft.reports.analysis import comparisons
from qft.reports.analysis.comparisons import Versus
from qft.reports.entries import interval, p_value
from qft.reports.read import Cell, Sweep, ordered


@dataclass(frozen=True)
class Answer:
    """One sentence for one method, dataset, n and measure.

    ``kind``: contributes, replaceable, nothing, unsettled, costs or unknown.
    """

    kind: str
    sentence: str


def answers(sweep: Sweep, versus: Sequence[Versus]) -> list[Answer]:
    """By the dataset's test score and, where it can be told, by validation loss.

    One of each for every method, dataset and n whose circuit was taken away; empty where none was planned.
    """
    out = []
    for method, data, n in ordered((c.adapter, c.data, c.n) for c in sweep.final() if "circuit" in c.variant):
        cells = [c for c in sweep.final() if (c.adapter, c.data, c.n) == (method, data, n)]
        score = comparisons.primary(sweep, data)
        by_loss = _answer(cells, versus, "validation_loss", data, n)
        out += [_answer(cells, versus, score, data, n)] if score else []
        out += [by_loss] if not score or by_loss.kind != "unknown" else []
    return out


def headline(found: Sequence[Answer]) -> str:
    """All answers in one line."""
    if not found:
        return (
            "Cannot be told from these cells: no finished pair of a method and the same method without its circuit. "
            "qft sweep ablation trains them."
        )
    if len(found) == 1:
        return found[0].sentence
    words = {
        "contributes": "the circuit contributes",
        "replaceable": "it helps, but is not shown to beat something classical in its place",
        "nothing": "no difference is shown",
        "unsettled": "a difference that other seeds may undo",
        "costs": "the method is better without it",
        "unknown": "cannot be told",
    }
    counted = [(sum(a.kind == kind for a in found), text) for kind, text in words.items()]
    return f"Of {len(found)} comparisons: " + "; ".join(f"{text} in {k}" for k, text in counted if k) + "."


def _answer(cells: Sequence[Cell], versus: Sequence[Versus], measure: str, data: str, n: int) -> Answer:
    whole = next((c.row for c in cells if not c.variant), cells[0].label)
    here = [v for v in versus if (v.row, v.data, v.n, v.measure) == (whole, data, n, measure)]
    where = f"{whole} on {data}, n = {n}"
    without = next((v for v in here if v.other in _rows(cells, ("none",))), None)
    if without is None or without.result.interval is None:
        return Answer("unknown", f"{where}: cannot be told from these cells; {_lacking(cells, without)}.")
    digits = 3 if measure in comparisons.LOSSES else 2
    pairs = f"{without.result.count} test samples, " if measure not in comparisons.LOSSES else ""
    found = (
        f"with its circuit {comparisons.title(measure)} is {without.mean:.{digits}f}, without it "
        f"{without.other_mean:.{digits}f}: a difference of {_difference(without)} ({pairs}{_seeds(without)})"
    )
    if without.result.decided and not without.decided:
        return Answer("unsettled", f"{where}: not settled, other seeds may undo it; {found}.")
    if not without.decided:
        return Answer("nothing", f"{where}: no difference is shown; {found}.")
    if not without.improves:
        return Answer("costs", f"{where}: the circuit costs; {found}.")
    planned = ordered(_rows(cells, comparisons.STAND_INS))
    stand_ins = [v for v in here if v.other in planned]
    equal = [f"{_short(v)} ({_difference(v)})" for v in stand_ins if v.verdict != "better"]
    equal += [f"{row} (no finished run)" for row in planned if row not in {v.other for v in stand_ins}]
    if equal:
        text = f"{found}; but it is not shown to beat {' and '.join(equal)}, so no gain from its being quantum is shown"
        return Answer("replaceable", f"{where}: the circuit helps; {text}.")
    if not stand_ins:
        return Answer("contributes", f"{where}: the circuit contributes; {found}. No classical stand-in was tried.")
    names = " and ".join(f"{_short(v)} ({_difference(v)})" for v in stand_ins)
    return Answer("contributes", f"{where}: the circuit contributes; {found}; it also beats {names}.")


def _rows(cells: Sequence[Cell], circuits: Sequence[str]) -> list[str]:
    return [c.row for c in cells if c.variant.get("circuit") in circuits and len(c.variant) == 1]


def _seeds(v: Versus) -> str:
    if v.over_seeds is None:
        return "1 seed"
    if v.measure in comparisons.LOSSES:  # the interval itself is over seeds
        return f"the same sign in {v.agree} of {v.compared} seeds"
    return f"over {v.compared} seeds {interval(v.over_seeds, 2)}, the same sign in {v.agree} of them"


def _short(v: Versus) -> str:
    return v.other.removeprefix(f"{v.row}, ")


def _difference(v: Versus) -> str:
    digits = 3 if v.measure in comparisons.LOSSES else 2
    sign = f"{v.result.difference:+.{digits}f}".replace("-", "−")
    p = "" if v.result.adjusted is None else f", p after Holm {p_value(v.result.adjusted).text}"
    return f"{sign}, 95 % interval {interval(v.result.interval, digits)}{p}"


def _lacking(cells: Sequence[Cell], without: Versus | None) -> str:
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
