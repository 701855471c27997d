"""Tables I and II and the survey's Table 3 in the papers' own layout, measured beside published, never mixed."""

from collections.abc import Sequence
from typing import Any

from qft.reports.analysis import comparisons, published
from qft.reports.analysis.comparisons import Versus
from qft.reports.entries import measured, parameters
from qft.reports.read import Cell, Sweep, ordered
from qft.reports.render.table import DASH, Entry, Table

ONE_SEED = "A cell with one seed has no deviation over seeds and shows none."
BOLD = (
    "Bold: better than LoRA r=4; the 95 % intervals of the difference, over samples and over seeds, leave out zero, "
    "and p after Holm < 0.05."
)
VARIANT = (
    "Text scores are the ..._llamafactory variants (character BLEU-4, rouge-chinese F1 on jieba "
    "words, averaged over samples), the way published tables of this kind are usually made."
)
APART = "Published numbers come from other bases, so the two sides are not comparable."
SIZES = {300: "Small (300)", 600: "Medium (600)", 1000: "Full (1000)"}


def losses(sweep: Sweep, versus: Sequence[Versus]) -> list[Table]:
    """Table I, one table a dataset: train and validation loss at each n, measured beside published."""
    paper = published.paper_of(sweep)
    out = []
    for data in ordered(c.data for c in sweep.plain()):
        cells = [c for c in sweep.plain() if c.data == data]
        block = published.block(paper, "losses", data)
        sizes = sorted({c.n for c in cells})
        columns = _first_columns(paper, bool(block))
        groups = [("", len(columns))]
        for n in sizes:
            printed = bool(block and n in block["cells"])
            names = ["train", "train, published", "val", "val, published"] if printed else ["train", "val"]
            columns += names
            groups.append((SIZES.get(n, f"n = {n}"), len(names)))
        rows = []
        for row in ordered(c.row for c in cells):
            own = [c for c in cells if c.row == row]
            entry = published.method(paper, own[0]) if block else None
            line = [Entry(_name(row, entry)), *_first(paper, own, entry, bool(block))]
            for n in sizes:
                here = [c for c in own if c.n == n]
                given = block["cells"][n].get(entry["name"]) if block and entry and n in block["cells"] else None
                for k, which in enumerate(("train_loss_run_mean", "validation_loss")):
                    line.append(measured(here, [c.loss(which) for c in here], 3, _bold(versus, row, data, n, which)))
                    if block and n in block["cells"]:
                        line.append(_printed(given[k] if given else None, 3))
            rows.append(line)
        notes = [
            "Train loss: mean over the run. Validation loss: per token, at the last step. " + BOLD + " " + ONE_SEED
        ]
        if block:
            notes.append(f"Published: {published.papers()[paper]['source']}, Table I, {block['name']}; {_base(paper)}")
            notes.append(f"Measured on: {sweep.read_from(data)}.")
        else:
            notes.append("The papers print no losses for this dataset.")
        title = f"Train and validation loss, {data}{' (Table I)' if block else ''}"
        out.append(Table(f"losses-{data}", title, columns, rows, groups, notes))
    return out


def scores(sweep: Sweep, versus: Sequence[Versus]) -> list[Table]:
    """Table II or the survey's Table 3, one table a dataset and n: test scores, measured beside published."""
    paper = published.paper_of(sweep)
    have = comparisons.measures(sweep)
    out = []
    for data, n in ordered((c.data, c.n) for c in sweep.plain()):
        cells = [c for c in sweep.plain() if (c.data, c.n) == (data, n)]
        block = published.block(paper, "scores", data)
        done = {s for c in cells for s in c.measured.test}
        printed = block["metrics"] if block else []  # in the paper's order, then what else was measured
        metrics = ordered([*printed, *(m for m, s in published.MEASURED_AS.items() if s in done)])
        if not done & set(have):
            continue
        names = {m: published.MEASURED_AS[m] for m in metrics} or {s: s for s in have}
        columns = _first_columns(paper, bool(block))
        groups = [("", len(columns))]
        for metric, score in names.items():
            two = bool(block and metric in block["metrics"])
            columns += ["measured", "published"] if two else ["measured"] if block else [comparisons.title(score)]
            groups.append((comparisons.title(score), 2 if two else 1))
        rows = []
        for row in ordered(c.row for c in cells):
            here = [c for c in cells if c.row == row]
            entry = published.method(paper, here[0]) if block else None
            own = [c for c in sweep.plain() if (c.row, c.data) == (row, data)]
            line = [Entry(_name(row, entry)), *_first(paper, own, entry, bool(block))]
            for metric, score in names.items():
                line.append(measured(here, [c.score(score) for c in here], 2, _bold(versus, row, data, n, score)))
                if block and metric in block["metrics"]:
                    given = block["cells"].get(entry["name"]) if entry else None
                    line.append(_printed(given[block["metrics"].index(metric)] if given else None))
            rows.append(line)
        where = "the survey's Table 3" if paper == "survey" else "Table II"
        notes = [f"{BOLD} {ONE_SEED}"]
        if not block:
            groups = []
            notes.append("The papers print no scores for this dataset.")
        if any(name.endswith("_llamafactory") for name in names.values()):
            notes.append(VARIANT)
        if block:
            notes += [] if sweep.as_published else [APART]
            notes.append(f"Published: {published.papers()[paper]['source']}, {where}, {block['name']}; {_base(paper)}")
            notes += [str(note) for note in published.papers()[paper].get("unsaid", ())]
            notes.append(f"Measured on: {sweep.read_from(data)}.")
        if block and any(isinstance(v, list) for values in block["cells"].values() for v in values):
            notes.append("Two published values: the paper's table and its text differ, both are shown.")
        title = f"Test scores, {data}, n = {n}{f' ({where})' if block else ''}"
        out.append(Table(f"scores-{data}-n{n}", title, columns, rows, groups, notes))
    return out


def _first_columns(paper: str, printed: bool) -> list[str]:
    ratio = "of all weights" if paper == "survey" else "of LoRA r=4"
    if not printed:
        return ["Model", "parameters", ratio]
    return ["Model", "parameters", "parameters, published", ratio, "ratio, published"]


def _first(paper: str, cells: Sequence[Cell], entry: dict[str, Any] | None, printed: bool) -> list[Entry]:
    """Parameters and ratio: the survey's is to all of the base's weights, the other paper's to LoRA r=4."""
    count, ratio = parameters(cells)
    if paper == "survey" and (known := [c.parameters for c in cells if c.parameters]):
        share = known[0].trainable / known[0].base
        ratio = Entry(f"{100 * share:.2f} %", share)
    if not printed:
        return [count, ratio]
    words = [entry["parameters"], entry["ratio"]] if entry else [DASH, DASH]
    return [count, Entry(words[0], kind="published"), ratio, Entry(words[1].replace("%", " %"), kind="published")]


def _name(row: str, entry: dict[str, Any] | None) -> str:
    return f"{row} (paper: {entry['name']})" if entry and entry["name"].lower() != row.lower() else row


def _printed(value: Any, digits: int | None = None) -> Entry:
    """A published value with so many decimals, or as many as it has."""
    if value is None:
        return Entry(DASH, kind="published", hint="the paper prints none")
    first = value[0] if isinstance(value, list) else value
    text = published.printed(value) if digits is None else f"{value:.{digits}f}"
    return Entry(text, float(first), kind="published")


def _base(paper: str) -> str:
    return f"base {published.papers()[paper]['model']}."


def _bold(versus: Sequence[Versus], row: str, data: str, n: int, measure: str) -> bool:
    return any(v.verdict == "better" for v in versus if (v.row, v.data, v.n, v.measure) == (row, data, n, measure))
