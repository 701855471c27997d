"""Turns of client (user) and counsellor (assistant) as written -> alternating messages that end on the counsellor.

``[("user", "我……"), ("user", "我睡不好。"), ("assistant", "多久了？"), ("user", "谢谢。")]`` becomes
``user "我……\\n我睡不好。", assistant "多久了？"``: runs are merged, what cannot be answered is cut.
"""

from collections import Counter
from collections.abc import Iterable

from qft.data.message import Message


def tidy(turns: Iterable[tuple[str, str]], counts: Counter[str]) -> tuple[Message, ...]:
    """Drop empty turns, merge runs of one speaker (a newline between), cut both ends; count each.

    Cut are turns before the client's first and after the counsellor's last. Possibly nothing is left.
    """
    merged: list[tuple[str, str]] = []
    for role, text in turns:
        text = text.strip()
        if not text:
            counts["empty turns dropped"] += 1
        elif merged and merged[-1][0] == role:
            counts["turns merged into one before of the same speaker"] += 1
            merged[-1] = role, f"{merged[-1][1]}\n{text}"
        else:
            merged.append((role, text))
    if merged and merged[0][0] == "assistant":
        counts["opening counsellor turns cut"] += 1
        del merged[0]
    if merged and merged[-1][0] == "user":
        counts["closing client turns cut"] += 1
        del merged[-1]
    return tuple(Message(role, text) for role, text in merged)
