"""A report as data: sections, each with the table, the figure and the sentences it consists of.

The writers in ``render/`` walk the sections; none of them knows what a section is about.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from qft.reports.analysis.analysis import Analysis

DASH = "–"


@dataclass(frozen=True)
class Entry:
    """One cell of a table.

    ``value`` is what it sorts by and what CSV holds; ``sd`` its deviation over seeds. ``kind`` is ``measured``,
    ``published``, ``missing``, ``failed``, ``interval``, ``error``, ``code`` or ``text``. ``links`` lead to the runs
    behind it: (words, address). ``remark`` is what a reader of the number must know, such as a seed that failed.
    """

    text: str
    value: float | None = None
    sd: float | None = None
    seeds: int | None = None
    kind: str = "text"
    bold: bool = False
    links: tuple[tuple[str, str], ...] = ()
    hint: str = ""
    remark: str = ""


@dataclass
class Table:
    """Columns stand below ``groups``: (words, number of columns), or nothing. ``notes`` stand under the table.

    ``name`` is its file name and its address on the page.
    """

    name: str
    title: str
    columns: list[str]
    rows: list[list[Entry]]
    groups: list[tuple[str, int]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def headings(self) -> list[str]:
        """Group and column in one line, for each column."""
        before = [words for words, span in self.groups for _ in range(span)] or [""] * len(self.columns)
        return [f"{g}: {c}" if g else c for g, c in zip(before, self.columns)]


@dataclass
class Panel:
    """One picture with its heading; panels of one ``row`` stand beside each other."""

    row: str
    title: str
    svg: str


@dataclass
class Figure:
    """Pictures that belong together; ``legend`` names the series by their place among the colours."""

    name: str
    title: str
    caption: str
    panels: list[Panel]
    legend: list[tuple[int, str]]
    wide: bool = False  # whether a panel needs the width of two
    scrolls: bool = False  # whether a panel stays as large as its letters need and scrolls on a narrow screen


@dataclass(frozen=True)
class Answered:
    """One question with its reference, and what each row answered: row -> text. ``scores``: row -> words."""

    title: str
    prompt: str
    reference: str
    answers: dict[str, str]
    scores: dict[str, str]


@dataclass(frozen=True)
class SideBySide:
    """Answers beside each other; a reader chooses which two of ``rows`` are shown, at first ``shown``."""

    name: str
    title: str
    rows: list[str]
    shown: tuple[str, str]
    samples: list[Answered]


@dataclass(frozen=True)
class Section:
    """A piece of a report. Every part may be left out, and an empty section is not shown.

    Attributes:
        title: the heading; consecutive sections of one title share it.
        table: written to tables/NAME.{md,csv,tex}, and shown.
        figure: draws the pictures, which takes time: called by who shows them. Markdown shows none.
        notes: sentences before table and figure.
        lead: the sentence above all others.
        short: the rows of ``table`` that a reader needs first, for where there is no figure.
        folded: the line that stands for the whole table until a reader opens it; empty: the table is in sight.
        aside: whether a Markdown page folds the table away.
        answers: texts beside each other, which a page of HTML alone shows.
    """

    title: str
    table: Table | None = None
    figure: Callable[[], Figure | None] | None = None
    notes: Sequence[str] = ()
    lead: str = ""
    short: Table | None = None
    folded: str = ""
    aside: bool = True
    answers: SideBySide | None = None


@dataclass(frozen=True)
class Report:
    """What a sweep directory says, computed once."""

    analysis: Analysis
    sections: list[Section]

    @property
    def tables(self) -> list[Table]:
        """The tables of all sections."""
        return [s.table for s in self.sections if s.table is not None]

    def figures(self) -> list[Figure]:
        """The figures of all sections, drawn."""
        drawn = (s.figure() for s in self.sections if s.figure is not None)
        return [figure for figure in drawn if figure is not None]
