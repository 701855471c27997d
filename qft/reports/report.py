"""From a sweep directory to its report."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qft.reports.analysis import contribution, facts
from qft.reports.analysis.analysis import analyse
from qft.reports.document import Report
from qft.reports.read import load
from qft.reports.sections import build


def make(path: Path, names: Mapping[str, str] | None = None) -> Report:
    """Read a sweep directory and compute its report.

    Args:
        path: the directory.
        names: data set -> another name for it, by which it is not taken for the one that the papers print numbers of.

    Raises:
        QftError: it is no sweep directory, is damaged, or was written by a newer version.
    """
    analysis = analyse(load(path, names))
    return Report(analysis, build(analysis))


def overview(report: Report) -> dict[str, Any]:
    """A report in short, as ``qft report format=json`` prints it."""
    analysis = report.analysis
    return {
        "dir": str(analysis.sweep.path),
        "sweep": analysis.sweep.name,
        "states": facts.counts(analysis.sweep),
        "headline": contribution.headline(analysis.answers),
        "circuit": [vars(answer) for answer in analysis.answers],
        "claims": [claim.sentence for claim in analysis.claims],
    }
