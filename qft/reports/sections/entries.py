"""Numbers as entries of a table: means over seeds with the runs behind them, p, intervals, what is missing."""

from collections.abc import Sequence

from qft.evaluation.metrics.base import Measure
from qft.reports.analysis import measures, words
from qft.reports.document import DASH, Entry
from qft.reports.sweep import MISSING, WITHOUT_RESULT, Cell, Sweep
from qft.statistics.summary import mean_sd


def row_name(sweep: Sweep, row: str, data: str, text: str = "") -> Entry:
    """A row's name, or ``text`` for it, with what the row declares not to share with the others."""
    return Entry(text or row, remark=sweep.differs(row, data))


def measured(cells: Sequence[Cell], measure: Measure, bold: bool = False) -> Entry:
    """A loss or score of runs that differ in their seeds alone."""
    return mean_over_seeds(cells, [measures.value(c, measure) for c in cells], measure.digits, bold=bold)


def mean_over_seeds(
    cells: Sequence[Cell], values: Sequence[float | None], digits: int, bold: bool = False, unit: str = ""
) -> Entry:
    """Mean and deviation of ``values``, one a cell, over the seeds that have one; failed and missing ones are named."""
    if not cells:
        return Entry(DASH, hint="not planned")
    finished = {c.seed: float(v) for c, v in zip(cells, values) if c.done and v is not None}
    absent = [c for c in cells if c.seed not in finished]  # a run that diverged is done and has no loss
    if not finished:
        return _without_number([c for c in absent if not c.done])
    mean, sd = mean_sd(list(finished.values()))
    remark = "1 seed" if len(finished) == 1 and cells[0].role != "base" else ""  # the untuned base has no seeds
    text = f"{mean:,.{digits}f}" + ("" if sd is None else f" ± {sd:,.{digits}f}") + unit
    runs = [c for c in cells if c.seed in finished]
    linked = [c for c in runs if c.link]
    words_of = ("seed " if len(runs) == 1 else "seeds ", "")  # before the first number, and before the others
    links = tuple((f"{words_of[k > 0]}{c.seed}", c.link) for k, c in enumerate(linked) if c.link)
    hint = "; ".join(f"seed {s}: {v:.6g}" for s, v in finished.items())
    if absent:
        remark = f"{len(finished)} of {len(cells)} seeds"
        hint += "; " + "; ".join(f"seed {c.seed}: {'no number' if c.done else c.state}" for c in absent)
    return Entry(words.minus(text), mean, sd, len(finished), "measured", bold, links, hint, remark)


def _without_number(unfinished: Sequence[Cell]) -> Entry:
    """What stands where no run has a number: the worst that became of any."""
    if not unfinished:
        return Entry(DASH, hint="not measured")
    state = next((state for state in WITHOUT_RESULT if any(c.state == state for c in unfinished)), MISSING)
    links = tuple((f"seed {c.seed}", c.link) for c in unfinished if c.link)
    hint = "; ".join(f"seed {c.seed}: {c.error or c.state}" for c in unfinished)
    return Entry(state, kind=MISSING if state == MISSING else "failed", hint=hint, links=links)


def bounds(ends: words.Interval | None, digits: int) -> Entry:
    """An interval, which sorts by its lower end."""
    return Entry(words.interval(ends, digits), None if ends is None else ends[0], kind="interval")


def parameters(cells: Sequence[Cell]) -> list[Entry]:
    """Trainable parameters and their ratio to LoRA r=4 on the layers the model names."""
    known = next((c.parameters for c in cells if c.parameters), None)
    if known is None:
        return [Entry(DASH), Entry(DASH)]
    ratio = known.ratio_to_lora_r4
    return [Entry(f"{known.trainable:,}", known.trainable), Entry(f"{100 * ratio:.1f} %", ratio)]


def number(value: float | None, digits: int, signed: bool = False) -> Entry:
    """A number, or a dash where there is none."""
    if value is None:
        return Entry(DASH)
    return Entry(words.minus(f"{value:{'+' if signed else ''},.{digits}f}"), float(value))


def p_value(value: float | None) -> Entry:
    """A p value, or a dash."""
    return Entry(words.p_value(value), value)
