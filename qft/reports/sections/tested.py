"""The published claims that these runs speak of: each verdict, and what it rests on."""

from qft.claims.claim import quoted
from qft.reports.analysis.analysis import Analysis
from qft.reports.analysis.tested import NOT_RUN, UNTESTABLE, Tested
from qft.reports.document import DASH, Entry, Section, Table
from qft.reports.sections.entries import number

HERE = (
    "Each verdict is about this sweep's base, data and training samples, not about the authors': the table says how "
    "far apart they are."
)


def sections(analysis: Analysis) -> list[Section]:
    """The section, where a claim's rows were planned."""
    spoken_of = [t for t in analysis.tested if t.state not in (NOT_RUN, UNTESTABLE)]
    if not spoken_of:
        return []
    return [Section("Verdicts on published claims", table(spoken_of), notes=[HERE, *(t.sentence for t in spoken_of)])]


def table(tested: list[Tested]) -> Table:
    """A row a claim."""
    rows = []
    for t in tested:
        controls = f"{sum(c.word == 'better' for c in t.controls)} of {len(t.controls)}" if t.controls else DASH
        rows.append(
            [
                Entry(t.claim.name, hint=quoted(t.claim)),
                Entry(t.claim.says),
                Entry(t.claim.measure),
                Entry(t.state, bold=t.state == "confirmed"),
                number(t.planned, 0),
                number(len(t.compared), 0),
                number(t.ratio, 3),
                number(t.claim.ratio, 3),
                Entry(controls),
                Entry(t.claim.distance),
            ]
        )
    columns = ["Claim", "says", "by", "verdict", "m", "compared", "of its parameters", "claimed at most"]
    columns += ["better than controls", "distance from the authors' setting"]
    notes = [
        "A claim, its measure and what its words mean stand in configs/claim before any run; docs/add-a-claim.md. m: "
        "planned comparisons, controls included; each interval is simultaneous over them."
    ]
    return Table("tested", "Published claims, and what they rest on here", columns, rows, notes=notes)
