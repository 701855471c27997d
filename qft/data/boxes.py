"""The final answer that a solution states in ``\\boxed{}``: ``last_boxed("So it is \\boxed{4}.") -> "4"``."""

import re

_BOX = re.compile(
    r"(?P<box>\\(?:boxed|fbox)\s*\{)|\\[{}]|(?P<open>\{)|(?P<close>\})"
    # without braces: \boxed 42, \boxed B
    r"|\\(?:boxed|fbox)"
    r"(?:\s*(?P<number>[-+]?\\?\$?(?:\d[\d,]*(?:\.\d+)?|\.\d+)(?:/\d+)?(?:\s?\\?%)?)|\s+(?P<letter>[A-Z])\b)"
)


def boxes(text: str) -> list[str]:
    """What stands in each ``\\boxed{...}`` or ``\\fbox{...}``, in the order of their beginnings.

    Braces may nest; of a box in a box only the inner one counts, and one that is never closed is none.
    """
    found: list[tuple[int, str]] = []
    opened: list[tuple[int, bool]] = []  # where what stands in the braces begins, and whether they are a box's
    inner = -1  # where the last box ended
    for match in _BOX.finditer(text):
        if match["box"] or match["open"]:
            opened.append((match.end(), bool(match["box"])))
        elif match["close"] and opened:
            start, box = opened.pop()
            if box and start > inner:
                found.append((start, text[start : match.start()].strip()))
                inner = match.end()
        elif bare := match["number"] or match["letter"]:
            found.append((match.start(), bare))
            inner = match.end()
    return [content for _, content in sorted(found)]


def last_boxed(text: str) -> str | None:
    """What stands in the last whole box of a text, or None."""
    return (boxes(text) or [""])[-1] or None
