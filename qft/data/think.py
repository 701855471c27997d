"""Reasoning and answer of one text, taken apart; and the final answer a problem's solution states.

``"<think>\\n2+2=4\\n</think>\\n\\nIt is \\\\boxed{4}."`` is the reasoning ``2+2=4`` and the answer ``It is
\\boxed{4}.``; ``Message.text`` joins them again.
"""

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


def last_boxed(text: str) -> str | None:
    """What stands in the last whole ``\\boxed{...}`` (braces may nest), or None."""
    start = len(text)
    while (start := text.rfind("\\boxed", 0, start)) >= 0:
        opening = start + len("\\boxed")
        while text.startswith(" ", opening):
            opening += 1
        if not text.startswith("{", opening):
            continue
        depth, escaped = 0, False
        for k in range(opening, len(text)):
            character = text[k]
            depth += {"{": 1, "}": -1}.get(character, 0) if not escaped else 0
            escaped = character == "\\" and not escaped
            if depth == 0:
                return text[opening + 1 : k].strip() or None
    return None
