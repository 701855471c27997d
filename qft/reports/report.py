"""From a sweep directory to its report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from qft.claims.claim import Claim
from qft.reports.analysis import contribution, facts
from qft.reports.analysis.analysis import analyse
from qft.reports.analysis.contribution import Answer
from qft.reports.document import Report
from qft.reports.read import load
from qft.reports.sections import build


def make(path: Path, names: Mapping[str, str] | None = None, claims: Sequence[Claim] = ()) -> Report:
    """Read a sweep directory and compute its report.

    Args:
        path: the directory.
        names: data set -> another name for it, by which it is not taken for the one that the papers print numbers of.
        claims: published claims to test; those whose rows the sweep lacks are passed over.

    Raises:
        QftError: it is not a sweep directory, is damaged, or was written by a newer version.
    """
    analysis = analyse(load(path, names), claims)
    return Report(analysis, build(analysis))


@dataclass(frozen=True)
class Overview:
    """A report in short, as ``qft report`` prints it."""

    dir: str
    sweep: str
    states: dict[str, int]  # of the planned cells
    headline: str  # what the circuit contributes
    circuit: list[Answer]
    claims: list[str]


def overview(report: Report) -> Overview:
    """What is printed of a report."""
    analysis = report.analysis
    return Overview(
        dir=str(analysis.sweep.path),
        sweep=analysis.sweep.name,
        states=facts.counts(analysis.sweep),
        headline=contribution.headline(analysis.answers),
        circuit=analysis.answers,
        claims=[claim.sentence for claim in analysis.claims],
    )
