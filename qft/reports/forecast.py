"""A forecast (``qft forecast``) in sections: sentences, tables and pictures."""

from qft.evaluation.metrics import measure
from qft.records import CostForecast, Forecast, Interval
from qft.reports.analysis import words
from qft.reports.document import DASH, Entry, Figure, Panel, Section, Table
from qft.reports.render.svg import canvas, colour, dash, figure
from qft.reports.sections.entries import number

NAMED = 3  # layers in a sentence
LABELS = 14  # layers named below a picture


def sections(made: Forecast) -> list[Section]:
    """All of it, in the order of the page."""
    out = [
        Section("The loss on the chip", losses(made), lead=headline(made), notes=notes(made), aside=False),
        Section("Layers", layers(made), lambda: _layer_figure(made), lead=suffering(made), aside=False),
        Section("Shots", curve(made), lambda: _curve_figure(made), lead=shots(made), aside=False),
    ]
    if made.scores:
        out.append(Section("Scores", scores(made), aside=False))
    out.append(Section("Circuits, time and money", costs(made), aside=False))
    if made.mitigated:
        out.append(Section("Mitigation", mitigated(made), aside=False))
    if made.retrained is not None:
        out.append(Section("Training with the chip's noise", retrained(made), lead=gives_back(made), aside=False))
    return out


def headline(made: Forecast) -> str:
    """What the chip costs, of what, and what of it more shots take away."""
    rise, by_shots = made.loss.mean - made.ideal, made.loss.mean - made.exact
    margin = gain = ""
    if made.margin is not None:
        margin = f", {'more' if rise > made.margin else 'no more'} than the {made.margin:g} that count as equal"
    if (gained := made.base - made.ideal) > 0:
        gain = f" Of the {gained:.4f} that the adapter gains over its base, {1 - rise / gained:.1%} are left."
    between = f" ({_ends(made.loss.interval, 4)} with probability 95 %)" if made.loss.interval else ""
    return (
        f"On {made.chip} with {made.shots:,} shots the {made.part} loss will be {made.loss.mean:.4f}{between}. That is "
        f"{_signed(rise)} nats a token{margin}: {_signed(rise - by_shots)} from the chip's errors, whatever the shots, "
        f"and {_signed(by_shots)} from reading with so few.{gain}"
    )


def notes(made: Forecast) -> list[str]:
    """What the interval covers, and what it does not."""
    how = (
        "each module's response is measured once, and all rows share its shots"
        if made.mode == "surrogate"
        else "a circuit a row, equal circuits measured once"
    )
    return [
        f"The interval is of one measurement on these {made.samples} {made.part} samples: {how}. It comes from "
        f"{len(made.loss.draws)} simulated measurements.",
        "It does not cover what the noise model does not know: drift since the calibration, crosstalk, errors that "
        "depend on the angles.",
    ]


def losses(made: Forecast) -> Table:
    """From the base to the chip."""
    rows = [
        [Entry("base, no adapter"), number(made.base, 4), Entry(DASH), Entry(DASH)],
        [Entry("without noise"), number(made.ideal, 4), Entry(DASH), Entry(DASH)],
        [Entry("chip, infinitely many shots"), number(made.exact, 4), Entry(DASH), _over(made.exact, made)],
        [
            Entry(f"chip, {made.shots:,} shots"),
            number(made.loss.mean, 4),
            _between(made.loss.interval, 4),
            _over(made.loss.mean, made),
        ],
    ]
    title = f"{made.part.capitalize()} loss of {made.adapter}, in nats a token ({made.tokens:,} tokens)"
    return Table("loss", title, ["", "loss", "95 % interval", "above noiseless"], rows)


def suffering(made: Forecast) -> str:
    """Which layers suffer most, in one sentence."""
    worst = sorted(made.layers, key=lambda layer: -layer.loss_rise)
    if worst[0].loss_rise <= 0:
        return "No layer's errors alone raise the loss."
    named = [layer for layer in worst if layer.loss_rise >= worst[0].loss_rise / 2][:NAMED]
    which = ", ".join(f"{layer.layer} ({_signed(layer.loss_rise)})" for layer in named)
    alone = sum(layer.loss_rise for layer in made.layers)
    several = len(named) > 1
    return (
        f"Alone on the chip, layer{'s' * several} {which} raise{'' if several else 's'} the loss most. The rises of "
        f"all layers, each alone, add up to {_signed(alone)}; together they make {_signed(made.exact - made.ideal)}."
    )


def layers(made: Forecast) -> Table:
    """A row a layer."""
    rows = [
        [
            Entry(layer.layer),
            number(layer.circuits, 0),
            number(layer.error, 4),
            number(None if layer.kept is None else 100 * layer.kept, 1),
            number(layer.shot_error, 4),
            number(layer.loss_rise, 4, signed=True),
        ]
        for layer in made.layers
    ]
    columns = ["layer", "circuits", "read-out error", "kept %", f"error of {made.shots:,} shots", "loss rise alone"]
    about = [
        "Read-outs lie in [-1, 1]. Read-out error: root mean square of the chip's, infinitely many shots, less the "
        "ideal ones at the same angles. Kept: the slope of the chip's on the ideal ones.",
    ]
    return Table("layers", "Read-out errors by layer", columns, rows, notes=about)


def shots(made: Forecast) -> str:
    """What more shots buy, at most."""
    low, high = made.loss.interval or (made.loss.mean, made.loss.mean)
    error = (high - low) / 2 / (len(made.loss.draws) + 1) ** 0.5  # of the draws' mean, at 95 %: t s / sqrt(K)
    most = max(made.loss.mean - made.exact, 0.0) + error
    return (
        f"No number of shots lowers the loss by more than {most:.4f} on average; what more of them also buy is a "
        "narrower interval, half as wide with four times as many."
    )


def curve(made: Forecast) -> Table:
    """A row a number of shots."""
    rows = [[number(p.shots, 0), number(p.mean, 4), _between(p.interval, 4), number(p.money, 2)] for p in made.curve]
    note = (
        f"From the measurements with {made.shots:,} shots: the loss above that of infinitely many falls as 1/shots, "
        "its deviation as 1/sqrt(shots)."
    )
    return Table("curve", "What more shots buy", ["shots", "loss", "95 % interval", "price"], rows, notes=[note])


def scores(made: Forecast) -> Table:
    """A row a score."""
    rows = []
    for name, score in made.scores.items():
        digits = measure(name).digits
        low_is_better = "" if score.higher_is_better else "lower is better"
        rows.append(
            [
                Entry(name, remark=low_is_better),
                number(score.ideal, digits),
                number(score.chip.mean if score.chip else None, digits),
                _between(score.chip.interval if score.chip else None, digits),
            ]
        )
    title = f"Scores of {made.answers} test answers"
    about = [
        "The interval is of the score of these answers in one measurement on the chip. None: all "
        f"{len(made.loss.draws)} simulated measurements gave the same, which says little about the next.",
    ]
    return Table("scores", title, ["", "without noise", "chip", "95 % interval"], rows, notes=about)


def costs(made: Forecast) -> Table:
    """A row a way to run it."""

    def row(cost: CostForecast) -> list[Entry]:
        counts = [number(n, 0) for n in (cost.circuits, cost.jobs, cost.shots, cost.round_trips)]
        hours = None if cost.seconds is None else cost.seconds / 3600
        return [Entry(cost.way), *counts, number(hours, 2), number(cost.money, 2)]

    about = [
        f"Of the loss of {made.samples} samples and {made.answers} answers of the longest that they may be, as qft "
        f"cost counts them. One measurement of the loss in mode={made.mode} takes {made.circuits:,} circuits when "
        "equal ones are sent once.",
    ]
    columns = ["way", "circuits", "jobs", "shots", "round trips", "hours", "price"]
    return Table("cost", "What it takes", columns, [row(cost) for cost in made.costs], notes=about)


def mitigated(made: Forecast) -> Table:
    """A row a kind of mitigation, with its price."""
    rows = [
        [
            Entry(m.mitigation),
            number(m.exact, 4),
            number(m.loss.mean, 4),
            _between(m.loss.interval, 4),
            _over(m.loss.mean, made),
            number(m.circuits, 0),
            number(m.money, 2),
        ]
        for m in made.mitigated
    ]
    columns = ["", "infinitely many shots", f"{made.shots:,} shots", "95 % interval", "above noiseless", "circuits"]
    folds: list[int] = next((m.options["zne"] for m in made.mitigated if m.options["zne"]), [])
    about = [
        "By backend.mitigation: read-out correction by calibration circuits, and extrapolation from gates run "
        f"{', '.join(map(str, folds))} times. It takes away errors and adds scatter.",
    ]
    return Table("mitigation", f"Loss with mitigation, mode={made.mode}", [*columns, "price"], rows, notes=about)


def gives_back(made: Forecast) -> str:
    """What training with noise gives back, and of what."""
    r = made.retrained
    assert r is not None
    back, lost = r.without_noise - r.with_noise, made.exact - made.ideal
    share = f", {back / lost:.0%} of what the chip's errors cost" if lost > 0 else ""
    return (
        f"{r.steps} steps with the chip's noise end {words.minus(f'{round(back, 4) + 0.0:.4f}')} nats a token below as "
        f"many without it{share}. One seed, so take it as a sign and not as a measurement."
    )


def retrained(made: Forecast) -> Table:
    """The run, and both continuations of it, on the chip."""
    r = made.retrained
    assert r is not None
    named = (("as it is", r.before), (f"{r.steps} steps without noise", r.without_noise))
    rows = [[Entry(name), number(loss, 4)] for name, loss in (*named, (f"{r.steps} steps with noise", r.with_noise))]
    title = "Loss on the chip, infinitely many shots"
    return Table("retrained", title, ["", "loss"], rows, notes=[f"Peak learning rate {r.lr:g}, the run's own."])


def _signed(value: float) -> str:
    return words.signed(round(value, 4) + 0.0, 4)


def _ends(ends: Interval, digits: int) -> str:
    return words.minus(f"{ends[0]:.{digits}f} to {ends[1]:.{digits}f}")


def _between(ends: Interval | None, digits: int) -> Entry:
    return Entry(DASH) if ends is None else Entry(_ends(ends, digits), ends[0], kind="interval")


def _over(loss: float, made: Forecast) -> Entry:
    return number(loss - made.ideal, 4, signed=True)


def _layer_figure(made: Forecast) -> Figure | None:
    names = [layer.layer for layer in made.layers]
    places = range(len(names))
    bars: list[tuple[str, str, list[float]]] = [
        ("Loss rise with one layer on the chip", "nats a token", [layer.loss_rise for layer in made.layers]),
        ("Read-out error, root mean square", "of read-outs in [-1, 1]", [layer.error for layer in made.layers]),
    ]
    panels = []
    for title, unit, heights in bars:
        with canvas(title, "layer", unit) as (axes, svg):
            axes.bar(places, heights, color=colour(0), width=0.7)
            if unit != "nats a token":
                axes.bar(places, [layer.shot_error or 0 for layer in made.layers], color=colour(1), width=0.35)
            step = max(1, len(names) // LABELS)
            axes.set_xticks(list(places)[::step], names[::step])
            axes.grid(visible=False, axis="x")
        panels.append(Panel("layers", title, svg[0]))
    legend = [(0, "the chip's errors"), (1, f"{made.shots:,} shots")]
    return figure("layers-picture", "By layer", "", panels, legend)


def _curve_figure(made: Forecast) -> Figure | None:
    title = f"{made.part.capitalize()} loss by shots on {made.chip}"
    with canvas(title, "shots of a circuit", "nats a token", width=6.4) as (axes, svg):
        number_of = [p.shots for p in made.curve]
        lows, highs = zip(*(p.interval or (p.mean, p.mean) for p in made.curve))
        axes.fill_between(number_of, lows, highs, color=colour(0), alpha=0.2, linewidth=0)
        axes.plot(number_of, [p.mean for p in made.curve], color=colour(0), marker="o")
        axes.axhline(made.exact, color=colour(1), linestyle=dash(1))
        axes.axhline(made.ideal, color=colour(2), linestyle=dash(2))
        axes.set_xscale("log")
        axes.set_xticks(number_of, [f"{n:,}" for n in number_of])
        axes.minorticks_off()
    legend = [(0, "chip, with its 95 % interval"), (1, "chip, infinitely many shots"), (2, "without noise")]
    return figure("curve-picture", title, "", [Panel("curve", title, svg[0])], legend)
