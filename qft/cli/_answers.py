"""Answers to the same questions, as text: the question, the reference, and what each row said."""

import textwrap
from collections.abc import Sequence

from qft.cli._output import terminal_width
from qft.reports.document import Answered

LONGEST = 400  # characters of a text; a page in a browser shows more


def show_answers(samples: Sequence[Answered]) -> None:
    """Print them below each other."""
    for sample in samples:
        print(f"  {sample.title}")
        _line("asked", sample.prompt if len(sample.prompt) <= LONGEST else f"… {sample.prompt[-LONGEST:]}")
        _line("reference", sample.reference)
        for row, text in sample.answers.items():
            _line(f"{row} ({sample.scores[row]})" if row in sample.scores else row, text or "(nothing)")
        print()


def _line(head: str, text: str) -> None:
    text = text if len(text) <= LONGEST else f"{text[:LONGEST]} …"
    first = f"    {head}: "
    lines = " / ".join(text.split("\n"))
    print(textwrap.fill(lines, terminal_width(), initial_indent=first, subsequent_indent="      "))
