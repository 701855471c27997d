"""What runs are compared by: losses and every score that was computed, in the order in which they are shown."""

from qft.evaluation import metrics
from qft.evaluation.metrics.base import Measure
from qft.names import visible
from qft.reports.analysis import published
from qft.reports.sweep import Cell, Sweep, ordered

NATS = "nats per token"
TRAIN = Measure("train_loss_run_mean", "train loss", NATS, higher_is_better=False, digits=3)
FINAL_EPOCH = Measure("train_loss_final_epoch", "train loss, last epoch", NATS, higher_is_better=False, digits=3)
VALIDATION = Measure("validation_loss", "validation loss", NATS, higher_is_better=False, digits=3)
FORGETTING = Measure("forgetting", "forgetting", NATS, higher_is_better=False, digits=3)
HELDOUT = Measure("heldout_loss", "held-out loss", NATS, higher_is_better=False, digits=3)
LOSSES = (TRAIN, VALIDATION)  # what stands beside published numbers
MAIN = ("accuracy", "rougel_llamafactory")  # scores that sentences are about, where every answer has them


def is_loss(measure: Measure) -> bool:
    """Whether it is a loss and no score."""
    return measure in (TRAIN, FINAL_EPOCH, VALIDATION, HELDOUT)


def value(cell: Cell, measure: Measure) -> float | None:
    """A run's loss or score, or what it has forgotten; None where it has none."""
    if measure is FORGETTING:
        general = cell.measured.forgetting
        return general.after - general.before if general else None
    return cell.loss(measure.name) if is_loss(measure) else cell.score(measure.name)


def losses(sweep: Sweep) -> list[Measure]:
    """The losses that tables show; the held-out one and what was forgotten where any run has measured them."""
    held_out = [HELDOUT] if any(c.heldout for c in sweep.final()) else []
    return [*LOSSES, *held_out, *([FORGETTING] if any(c.measured.forgetting for c in sweep.final()) else [])]


def scores(sweep: Sweep) -> list[Measure]:
    """Every score that a finished run has: those beside published columns first, in the papers' order."""
    stored = {name: score for c in sweep.final() if c.done for name, score in c.measured.test.items()}
    installed = [measure for measure in metrics.measures().values() if measure.name in stored]
    beside = [m for column in published.columns() for m in installed if m.published == column]
    others = [  # of metrics that are not installed here: the name is a stranger's
        Measure(name, visible(name.replace("_", " ")), higher_is_better=score.higher_is_better)
        for name, score in stored.items()
        if name not in metrics.measures()
    ]
    return ordered([*beside, *installed, *others])


def primary(sweep: Sweep, data: str) -> Measure | None:
    """The one score a sentence is about: accuracy where every answer is right or wrong, else ROUGE-L, else the first.

    Where only some answers can be right or wrong (talks and arithmetic mixed), accuracy speaks for those alone.
    """
    sizes: dict[str, int] = {}
    for cell in sweep.final():
        for name, samples in cell.scores.items():
            if cell.data == data:
                sizes[name] = max(sizes.get(name, 0), len(samples))
    complete = [m for m in scores(sweep) if m.name in sizes and sizes[m.name] == max(sizes.values())]
    named = [m for name in MAIN for m in complete if m.name == name]
    return next(iter([*named, *complete]), None)


def loss(sweep: Sweep) -> Measure:
    """The loss that sentences are about: held out where any run has it, else of validation, without a verdict."""
    return HELDOUT if any(c.heldout for c in sweep.final()) else VALIDATION


def decides(sweep: Sweep, data: str, measure: Measure) -> str | None:
    """None where a verdict rests on this measure; else what it would rest on. Fixed in docs/statistics.md."""
    if is_loss(measure):
        return None if measure == HELDOUT else "a held-out loss"
    score = primary(sweep, data)
    return None if score is None or measure == score else f"{score.title}, which decides"


def main(sweep: Sweep) -> list[Measure]:
    """The loss and the scores that sentences are about."""
    primaries = [primary(sweep, data) for data in ordered(c.data for c in sweep.final())]
    return ordered([loss(sweep), *(m for m in primaries if m is not None)])


def shown(sweep: Sweep, data: str) -> list[Measure]:
    """What a figure shows of a data set: the score of sentences, and the loss, which tells smaller differences."""
    score = primary(sweep, data)
    return [loss(sweep)] if score is None else [score, loss(sweep)]
