"""The tables of a sweep that a referee asks for beside the papers' own: comparisons, steps, cost, rates, attempts."""

from collections.abc import Callable, Sequence

from qft.records import Attempt
from qft.reports.analysis import comparisons, statistics
from qft.reports.analysis.claims import Claim
from qft.reports.analysis.comparisons import Versus
from qft.reports.entries import bounds, measured, number, p_value, parameters
from qft.reports.read import MISSING, WITHOUT_RESULT, Cell, Sweep, is_lora, ordered
from qft.reports.render.table import DASH, Entry, Table


def versus_table(versus: Sequence[Versus], name: str, title: str, other: str) -> Table | None:
    """Every comparison with its interval, corrected p, effect size and probability of improvement."""
    if not versus:
        return None
    several = len({v.other for v in versus}) > 1
    columns = ["Row", *["against"] * several, "data", "n", "measure", "verdict", "difference", "95 % interval"]
    columns += ["95 % over seeds", "p (Holm)", "p", "effect d_z", "P(better)", "row", other]
    columns += ["seeds", "seeds that agree", "pairs"]
    rows = []
    for v in versus:
        r = v.result
        digits = 3 if v.measure in comparisons.LOSSES else 2
        line = [Entry(v.row), *[Entry(v.other)] * several, Entry(v.data), number(v.n, 0)]
        line.append(Entry(comparisons.title(v.measure)))
        line += [Entry(v.verdict, bold=v.verdict == "better"), number(r.difference, digits, signed=True)]
        line += [bounds(r.interval, digits), bounds(v.over_seeds, digits)]
        of_samples = v.measure not in comparisons.LOSSES  # three seeds have no effect size worth the name
        line += [p_value(r.adjusted), p_value(r.p), number(r.effect if of_samples else None, 2, signed=True)]
        line.append(number(v.improvement if of_samples else None, 2))
        line += [number(v.mean, digits), number(v.other_mean, digits), number(v.seeds, 0)]
        line += [Entry(f"{v.agree} of {v.compared}", v.agree / v.compared), number(r.count, 0)]
        rows.append(line)
    notes = [
        "Scores: each sample's scores averaged over seeds, paired over test samples; interval: paired bootstrap (BCa, "
        f"{statistics.RESAMPLES:,} resamples); p: paired permutation test; P(better): share of test samples on which "
        "the row is better, ties half. Losses: paired over seeds, t interval and test, on these validation samples "
        "only, which also chose the learning rate. Over seeds: t interval of the seeds' differences.",
        "Holm's correction within one measure of one question; measures are not corrected for each other. Undecided: "
        "an interval holds zero or is not to be had, or p (Holm) is 0.05 or more.",
    ]
    return Table(name, title, columns, rows, notes=notes)


def claims_table(found: Sequence[Claim]) -> Table | None:
    """What the papers print of a method against LoRA, beside what was measured."""
    rows = []
    for c in found:
        line = [Entry(c.method), Entry(comparisons.title(c.measure)), Entry(c.direction)]
        line.append(Entry(f"{c.printed_better} of {c.printed}"))
        line += [number(count, 0) for count in (c.better, c.worse, c.undecided)]
        rows.append([*line, Entry(c.outcome)])
    columns = ["Row", "measure", "printed as", "printed better in", "measured better", "worse", "undecided", "outcome"]
    notes = ["Printed: cells of the paper's tables, held against LoRA r=4. Measured: cells of this sweep."]
    return Table("claims", "The papers' claims against LoRA", columns, rows, notes=notes) if rows else None


def against_lora(sweep: Sweep, reached: Callable[[Cell, Cell], float | None]) -> Table | None:
    """Percent loss reduction and share of LoRA's steps needed to reach LoRA's final loss, paired by seed."""
    if not any(is_lora(c) for c in sweep.plain()):
        return None
    rows = []
    for data, n in ordered((c.data, c.n) for c in sweep.plain()):
        here = [c for c in sweep.plain() if (c.data, c.n) == (data, n) and c.role != "base"]
        lora = {c.seed: c for c in here if is_lora(c) and c.done}
        for row in ordered(c.row for c in here if not is_lora(c)):
            own = [c for c in here if c.row == row]
            pairs = [(c, lora.get(c.seed) if c.done else None) for c in own]
            line = [Entry(row), Entry(data), number(n, 0)]
            for which in ("train_loss_run_mean", "train_loss_final_epoch", "validation_loss"):
                less = [_reduction(c, other, which) if other else None for c, other in pairs]
                line.append(measured(own, less, 1, unit=" %"))
            steps = [reached(c, other) if other else None for c, other in pairs]
            got, compared = sum(s is not None for s in steps), sum(other is not None for _, other in pairs)
            line.append(Entry("never", kind="number") if compared and not got else measured(own, steps, 0, unit=" %"))
            line.append(Entry(f"{got} of {compared}", got / compared) if compared else Entry(DASH))
            rows.append(line)
    if not rows:
        return None
    columns = ["Row", "data", "n", "train loss, run mean", "train loss, last epoch", "validation loss"]
    columns += ["steps to LoRA's final loss", "seeds that reach it"]
    notes = [
        "Loss reduction in percent of LoRA r=4's loss of the same seed; negative: the loss is higher than LoRA's. "
        "Steps: first step at which the running mean of the train loss (a twentieth of the run) is at or below LoRA's "
        "last one, in percent of the steps after which LoRA itself first was. Published: up to 15 % lower train loss, "
        "and in certain scenarios convergence faster by 20 %."
    ]
    return Table(
        "reduction", "Loss reduction against LoRA r=4, and steps to its final loss", columns, rows, notes=notes
    )


def cost(sweep: Sweep) -> Table | None:
    """Time and memory, means over seeds."""
    rows = []
    for group in ordered(c.group for c in sweep.final()):
        cells = [c for c in sweep.of(group) if c.done]
        if not cells:
            continue
        line = [Entry(group[0]), Entry(group[1]), number(group[2], 0), *parameters(cells)]
        trained, answered = [c.training for c in cells], [c.measured.generation for c in cells]
        line.append(measured(cells, [t.seconds if t else None for t in trained], 1))
        line.append(measured(cells, [_seconds_per_step(c) for c in cells], 3))
        line.append(measured(cells, [t.peak_memory_mb if t else None for t in trained], 0))
        line.append(measured(cells, [a.tokens_per_second if a else None for a in answered], 1))
        line.append(measured(cells, [_megabytes(a.peak_memory_bytes) if a else None for a in answered], 0))
        line.append(measured(cells, [t.circuits if t else None for t in trained], 0))
        rows.append(line)
    columns = ["Row", "data", "n", "parameters", "of LoRA r=4", "training s", "s a step", "peak MB"]
    columns += ["answer tokens/s", "answering peak MB", "circuits"]
    known = [c.record for c in sweep.final() if c.record]
    machines = ordered(f"{r.machine}, {r.model.device if r.model else None}" for r in known)
    notes = [f"Means over seeds, on: {'; '.join(machines) or 'unknown'}. Runs may have shared the machine."]
    return Table("cost", "What a run takes", columns, rows, notes=notes) if rows else None


def choices(sweep: Sweep) -> Table | None:
    """Learning-rate grids and what was chosen on validation."""
    found = [(c, {float(lr): loss for lr, loss in c.validation_losses.items()}) for c in sweep.choices]
    rates = sorted({lr for _, losses in found for lr in losses})
    if not rates:
        return None
    rows = []
    for c, losses in found:
        line = [Entry(c.label), Entry(c.data), Entry(f"{c.lr:g}", c.lr)]
        line += [number(losses.get(rate), 4) for rate in rates]
        rows.append(line)
    notes = ["Validation loss at each rate; the lowest wins, by the same rule for all. The test set was not touched."]
    if edges := [f"{c.label} on {c.data}" for c, _ in found if c.edge]:
        notes.append(f"Best at the edge of the grid, so a rate beyond it may be better: {', '.join(edges)}.")
    columns = ["Row", "data", "chosen", *(f"lr {rate:g}" for rate in rates)]
    return Table("choices", "Validation loss by learning rate", columns, rows, notes=notes)


def attempts(sweep: Sweep) -> Table:
    """Every planned cell with every attempt at it, failures and searches included."""
    rows = []
    for c in sweep.cells:
        tries: list[Attempt | None] = [*c.attempts] or [None]
        for k, a in enumerate(tries, 1):
            state = a.state if a and k < len(tries) else c.state
            error = (a and a.error) or (c.error if k == len(tries) else None) or ""
            link = ((c.name, c.link),) if c.link else ()
            kind = "failed" if state in WITHOUT_RESULT else MISSING if state != "done" else "text"
            line = [Entry(c.name, links=link, kind="measured"), Entry(c.role), Entry(state, kind=kind)]
            line += [
                Entry(str(k) if c.attempts else DASH),
                Entry((a and a.started) or DASH),
                Entry((a and a.ended) or DASH),
            ]
            rows.append([*line, Entry(str(error), kind="error"), Entry(" ".join(c.overrides), kind="code")])
    columns = ["Run", "role", "state", "attempt", "started", "ended", "error", "overrides"]
    return Table("runs", "Every planned run and every attempt", columns, rows)


def _reduction(cell: Cell, lora: Cell, which: str) -> float | None:
    own, theirs = cell.loss(which), lora.loss(which)
    return None if own is None or not theirs else 100 * (theirs - own) / theirs


def _seconds_per_step(cell: Cell) -> float | None:
    training = cell.training
    return training.seconds / training.steps if training and training.steps else None


def _megabytes(size: float | None) -> float | None:
    return None if size is None else size / 1e6


def variants(sweep: Sweep, scores: Sequence[str]) -> Table | None:
    """Controls and noise: losses and scores of every row that is not a plain method, beside the plain one."""
    changed = [c for c in sweep.final() if c.variant]
    if not changed:
        return None
    methods = {(c.adapter, c.data, c.n) for c in changed}
    rows = []
    for group in ordered(c.group for c in sweep.final() if (c.adapter, c.data, c.n) in methods):
        cells = sweep.of(group)
        line = [Entry(group[0]), Entry(group[1]), number(group[2], 0), parameters(cells)[0]]
        line += [measured(cells, [c.loss(which) for c in cells], 3) for which in comparisons.LOSSES]
        line += [measured(cells, [c.score(score) for c in cells], 2) for score in scores]
        rows.append(line)
    columns = ["Row", "data", "n", "parameters", *comparisons.LOSSES.values(), *map(comparisons.title, scores)]
    notes = ["Mean ± standard deviation over seeds; a cell with one seed shows none."]
    return Table("variants", "Losses and scores of every changed row", columns, rows, notes=notes)
