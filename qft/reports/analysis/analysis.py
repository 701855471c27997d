"""Everything that is computed of a sweep, once; sections only show it."""

from collections.abc import Sequence
from dataclasses import dataclass

from qft.claims.claim import Claim as Published
from qft.evaluation.metrics.base import Measure
from qft.reports.analysis import claims, comparisons, contribution, measures, same_size
from qft.reports.analysis.claims import Claim
from qft.reports.analysis.comparisons import Comparison
from qft.reports.analysis.contribution import Answer
from qft.reports.analysis.tested import Tested, test
from qft.reports.sweep import Sweep


@dataclass(frozen=True)
class Analysis:
    """What the cells of a sweep say.

    Attributes:
        lora: every row against LoRA r=4.
        same_size: every row against the LoRA closest to it in size.
        controls: every method against its controls.
        answers: what the circuits contribute.
        claims: the papers' claims, held against ``lora``.
        main: the measures that sentences are about.
        tested: the published claims of configs/claim.
    """

    sweep: Sweep
    lora: list[Comparison]
    same_size: list[Comparison]
    controls: list[Comparison]
    answers: list[Answer]
    claims: list[Claim]
    main: list[Measure]
    tested: list[Tested]


def analyse(sweep: Sweep, published: Sequence[Published] = ()) -> Analysis:
    """Compare the rows of a sweep and draw what follows."""
    lora, controls = comparisons.with_lora(sweep), comparisons.controls(sweep)
    return Analysis(
        sweep=sweep,
        lora=lora,
        same_size=same_size.with_lora_of_its_size(sweep),
        controls=controls,
        answers=contribution.answers(sweep, controls),
        claims=claims.check(sweep, lora),
        main=measures.main(sweep),
        tested=test(sweep, published),
    )
