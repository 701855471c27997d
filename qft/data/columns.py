"""The columns rows come in -> messages. What cannot become a sample is left out by its reason.

Three forms of one exchange (the reasoning of the second may also stand in the output, as ``<think>``)::

    {"messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}]}
    {"prompt": "2+2?", "response": "4", "reasoning_content": "2+2=4"}
    {"instruction": "Add.", "input": "2+2", "output": "4"}
"""

from collections import Counter
from typing import Any

from qft.data.message import Message
from qft.data.rows import Row
from qft.data.think import take_apart
from qft.errors import QftError
from qft.names import shortened

Messages = tuple[Message, ...]


class LeftOut(Exception):
    """``LeftOut(reason, *details)``: why a row becomes no sample. Counted by its reason; the reading goes on."""


def question(text: str) -> Message:
    """A user's turn; LeftOut where it is empty."""
    if not text.strip():
        raise LeftOut("the question is empty")
    return Message("user", text.strip())


def answer(text: str, reasoning: str = "") -> Message:
    """An assistant's turn, its reasoning given apart, or within the text as ``<think>``, or not at all."""
    try:
        inside, content = take_apart(text)
    except ValueError as reason:
        raise LeftOut(str(reason)) from None
    if inside and reasoning.strip() and inside != reasoning.strip():
        raise LeftOut("the reasoning in the text is not the one in its own column")
    if not content:
        raise LeftOut("the answer is empty")
    return Message("assistant", content, reasoning.strip() or inside)


def joined(row: Row, *columns: str) -> str:
    """The texts of the columns that hold any, one below the other."""
    return "\n".join(t for t in (row.text(c).strip() for c in columns) if t)


def prompt_response(row: Row) -> Messages:
    """Columns prompt and response, reasoning_content where there is one."""
    row.require("prompt", "response")
    return question(row.text("prompt")), answer(row.text("response"), row.text("reasoning_content"))


def instruction_output(row: Row, counts: Counter[str]) -> Messages:
    """Columns instruction and output; input joins the instruction, history holds earlier pairs of turns."""
    row.require("instruction", "output")
    counts["system texts left out"] += bool(row.text("system").strip())
    past = row.data.get("history")
    past = [] if past is None or past == "" else past
    if not isinstance(past, list) or not all(
        isinstance(p, list) and len(p) == 2 and all(isinstance(t, str) for t in p) for p in past
    ):
        raise QftError(f"{row.where}: column history is not a list of [question, answer] pairs of texts.")
    turns = [turn for a, b in past for turn in (question(a), answer(b))]
    last = question(joined(row, "instruction", "input")), answer(row.text("output"), row.text("reasoning_content"))
    return *turns, *last


def chat(row: Row, counts: Counter[str], column: str = "messages") -> Messages:
    """A column of ``{"role", "content"}`` objects, an assistant's with ``reasoning_content`` where it has one.

    A system text at the start is left out and counted: a sample holds the two speakers only.
    """
    row.require(column)
    turns = row.data[column]
    if not isinstance(turns, list) or not all(isinstance(t, dict) and "role" in t and "content" in t for t in turns):
        raise QftError(f"{row.where}: column {column} is not a list of objects with role and content.")
    if turns and turns[0]["role"] == "system":
        counts["system texts left out"] += 1
        turns = turns[1:]
    wanted = ["user", "assistant"] * (len(turns) // 2)
    if not turns or [t["role"] for t in turns] != wanted:
        found = ", ".join(shortened(str(t["role"]), 20) for t in turns[:6])
        raise LeftOut("its turns do not alternate user, assistant", found or "none")
    return tuple(_turn(row, column, k, t) for k, t in enumerate(turns))


def _turn(row: Row, column: str, position: int, turn: dict[str, Any]) -> Message:
    part = row._replace(data=turn, unit=f"column {column}, turn {position} of {row.unit}")
    if turn["role"] == "user":
        return question(part.text("content"))
    return answer(part.text("content"), part.text("reasoning_content"))
