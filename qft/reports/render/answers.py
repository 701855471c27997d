"""Answers side by side as HTML: the question and the reference, then two columns, each with a choice of rows.

Without the page's script the two that are shown at first stand there; with it a reader chooses.
"""

from qft.reports.document import Answered, SideBySide
from qft.reports.render.table import escape


def html_text(beside: SideBySide) -> str:
    """The whole block."""
    samples = "".join(_sample(sample, beside) for sample in beside.samples)
    choices = "".join(_choice(beside, k) for k in range(2))
    return (
        f'<div class="answers" id="{escape(beside.name)}"><h3>{escape(beside.title)}</h3>'
        f'<div class="choices" hidden>{choices}</div>{samples}</div>'
    )


def _choice(beside: SideBySide, column: int) -> str:
    options = "".join(
        f"<option{' selected' if row == beside.shown[column] else ''}>{escape(row)}</option>" for row in beside.rows
    )
    words = ("Left", "Right")[column]
    return f'<label>{words} <select data-column="{column}">{options}</select></label>'


def _sample(sample: Answered, beside: SideBySide) -> str:
    """One question; every row's answer is there, and those that are not shown are hidden."""
    cards = ""
    for row in beside.rows:
        place = beside.shown.index(row) if row in beside.shown else None
        hidden = " hidden" if place is None else ""
        score = f" <small>{escape(sample.scores[row])}</small>" if row in sample.scores else ""
        cards += (
            f'<div class="card" data-row="{escape(row)}" style="order:{place or 0}"{hidden}>'
            f"<h4>{escape(row)}{score}</h4><p>{escape(sample.answers[row]) or '(nothing)'}</p></div>"
        )
    return (
        f'<article class="sample"><h4>{escape(sample.title)}</h4>'
        f'<div class="asked"><p>{escape(sample.prompt)}</p></div>'
        f'<div class="reference"><h4>reference</h4><p>{escape(sample.reference)}</p></div>'
        f'<div class="pair">{cards}</div></article>'
    )
