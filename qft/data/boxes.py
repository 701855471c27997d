"""The final answer that a solution states in ``\\boxed{}``: ``last_boxed("So it is \\boxed{4}.") -> "4"``."""

import re

_BOX = re.compile(
    r"(?P<box>\\(?:boxed|fbox)\s*\{)|\\[{}]|(?P<open>\{)|(?P<close>\})"
    # without braces: \boxed 42, \boxed B
    r"|\\(?:boxed|fbox)"
    r"(?:\s*(?P<number>[-+]?\\?\$?(?:\d[\d,]*(?:\.\d+)?|\.\d+)(?:/\d+)?(?:\s?\\?%)?)|\s+(?P<letter>[A-Z])\b)"
)


def boxes(text: str) -> list[str]:
    """The contents of all ``\\boxed{...}`` and ``\\fbox{...}`` of a text, in the order in which they begin.

    Braces may nest. Of a box within a box only the inner one counts; a box that is never closed does not.
    """
    closed: list[tuple[int, str]] = []
    opened: list[tuple[int, bool]] = []  # where the content of the braces begins, and whether they are a box's
    inner = -1  # where the last box ended
    for match in _BOX.finditer(text):
        if match["box"] or match["open"]:
            opened.append((match.end(), bool(match["box"])))
        elif match["close"] and opened:
            start, box = opened.pop()
            if box and start > inner:
                closed.append((start, text[start : match.start()].strip()))
                inner = match.end()
        elif bare := match["number"] or match["letter"]:
            closed.append((match.start(), bare))
            inner = match.end()
    return [content for _, content in sorted(closed)]


def last_boxed(text: str) -> str | None:
    """The content of the last complete box of a text; None where there is none or it is empty."""
    return (boxes(text) or [""])[-1] or None
