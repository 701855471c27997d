"""Reasoning and answer of one text, taken apart; and the final answer a problem's solution states.

``"<think>\\n2+2=4\\n</think>\\n\\nIt is \\\\boxed{4}."`` is the reasoning ``2+2=4`` and the answer ``It is
\\boxed{4}.``; ``Message.text`` joins them again.
"""

import re

from qft.data.message import THINK_CLOSE, THINK_OPEN


def take_apart(text: str) -> tuple[str | None, str]:
    """``(reasoning, answer)``, both stripped; reasoning is None where there is none.

    A text that only closes the reasoning is read as one whose opening stood in the prompt. Raises
    ValueError, saying why, where the two cannot be told apart.
    """
    head, close, answer = text.partition(THINK_CLOSE)
    if not close:
        if THINK_OPEN in text:
            raise ValueError(f"the reasoning has no {THINK_CLOSE}")
        return None, text.strip()
    head = head.strip().removeprefix(THINK_OPEN)
    if THINK_OPEN in head or THINK_OPEN in answer or THINK_CLOSE in answer:
        raise ValueError(f"{THINK_OPEN} or {THINK_CLOSE} stands where it does not belong")
    return head.strip() or None, answer.strip()


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
