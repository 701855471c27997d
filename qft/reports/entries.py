"""Numbers as entries of a table: means over seeds with the runs behind them, p, intervals, what is missing."""

from collections.abc import Sequence

from qft.reports.analysis import statistics
from qft.reports.read import MISSING, WITHOUT_RESULT, Cell
from qft.reports.render.table import DASH, Entry


def measured(
    cells: Sequence[Cell], values: Sequence[float | None], digits: int, bold: bool = False, unit: str = ""
) -> Entry:
    """Mean and deviation of ``values``, one a cell, over the seeds that have one; failed and missing ones are named."""
    if not cells:
        return Entry(DASH, hint="not planned")
    found = {c.seed: float(v) for c, v in zip(cells, values) if c.done and v is not None}
    absent = [c for c in cells if c.seed not in found]  # a run that diverged is done and has no loss
    if not found:
        absent = [c for c in absent if not c.done]
        if not absent:
            return Entry(DASH, hint="not measured")
        kind = next((state for state in WITHOUT_RESULT if any(c.state == state for c in absent)), MISSING)
        links = tuple((f"seed {c.seed}", c.link) for c in absent if c.link)
        hint = "; ".join(f"seed {c.seed}: {c.error or c.state}" for c in absent)
        return Entry(kind, kind=MISSING if kind == MISSING else "failed", hint=hint, links=links)
    mean, sd = statistics.mean_sd(list(found.values()))
    remark = "1 seed" if len(found) == 1 and cells[0].role != "base" else ""  # the untuned base has no seeds
    text = f"{mean:,.{digits}f}" + ("" if sd is None else f" ± {sd:,.{digits}f}") + unit
    runs = [c for c in cells if c.seed in found]
    words = "seed " if len(runs) == 1 else ""
    links = tuple((f"{words}{c.seed}", c.link) for c in runs if c.link)
    hint = "; ".join(f"seed {s}: {v:.6g}" for s, v in found.items())
    if absent:
        remark = f"{len(found)} of {len(cells)} seeds"
        hint += "; " + "; ".join(f"seed {c.seed}: {'no number' if c.done else c.state}" for c in absent)
    return Entry(text.replace("-", "−"), mean, sd, len(found), "measured", bold, links, hint, remark)


def interval(found: statistics.Interval | None, digits: int) -> str:
    """[low, high], or a dash."""
    return DASH if found is None else f"[{found[0]:+.{digits}f}, {found[1]:+.{digits}f}]".replace("-", "−")


def bounds(found: statistics.Interval | None, digits: int) -> Entry:
    """The same as an entry, which sorts by its lower end."""
    return Entry(interval(found, digits), None if found is None else found[0], kind="interval")


def parameters(cells: Sequence[Cell]) -> list[Entry]:
    """Trainable parameters and their ratio to LoRA r=4 on the layers the model names."""
    known = [c.parameters for c in cells if c.parameters]
    if not known:
        return [Entry(DASH), Entry(DASH)]
    count, ratio = known[0].trainable, known[0].ratio_to_lora_r4
    return [Entry(f"{count:,}", count), Entry(f"{100 * ratio:.1f} %", ratio)]


def number(value: float | None, digits: int, signed: bool = False) -> Entry:
    """A number, or a dash where there is none."""
    if value is None:
        return Entry(DASH)
    return Entry(f"{value:{'+' if signed else ''},.{digits}f}".replace("-", "−"), float(value))


def p_value(value: float | None) -> Entry:
    """A p value, or a dash."""
    return Entry(DASH) if value is None else Entry("< 0.001" if value < 0.001 else f"{value:.3f}", value)
