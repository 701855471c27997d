"""Rows -> messages: what every dataset becomes, and how the usual columns of rows become it.

A real sample (CPsyCounD case_0, shortened)::

    Sample("case_0", (Message("user", "心理咨询师，我觉得我很自私……"),
                      Message("assistant", "你能详细描述一下这种情况吗？")))

Reasoning stands beside an answer or in it, as ``<think>``::

    {"prompt": "2+2?", "response": "4", "reasoning_content": "2+2=4"}
    {"prompt": "2+2?", "response": "<think>\\n2+2=4\\n</think>\\n\\n4"}

``qft.data.columns`` lists the columns that rows are read from.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from qft.data.rows import Row
from qft.errors import QftError
from qft.names import shortened

THINK_OPEN, THINK_CLOSE = "<think>", "</think>"


@dataclass(frozen=True)
class Message:
    """One turn of a conversation.

    Attributes:
        role: user or assistant.
        content: What is said; of an assistant's turn the answer without its reasoning.
        reasoning: The chain of thought before an assistant's answer, None where there is none.
    """

    role: str
    content: str
    reasoning: str | None = None

    @property
    def text(self) -> str:
        """The whole turn as the model reads or writes it: ``<think>\\nreasoning\\n</think>\\n\\ncontent``."""
        if self.reasoning is None:
            return self.content
        return f"{THINK_OPEN}\n{self.reasoning}\n{THINK_CLOSE}\n\n{self.content}"


@dataclass(frozen=True)
class Sample:
    """One conversation: ``user, assistant, user, ..., assistant``.

    Attributes:
        id: Names it within its source, whatever part of the source is read.
        messages: The turns.
        answer: What the last turn must state, such as ``57`` or ``\\frac{1}{2}``, where the source says so.
        family: Of a generated sample, the template of its sentences; "" where there is none.
    """

    id: str
    messages: tuple[Message, ...]
    answer: str | None = None
    family: str = ""

    def digest(self) -> str:
        """16 hexadecimal digits of the SHA-256 over its turns: names it wherever and in whatever order it is read."""
        turns = [[m.role, m.content, m.reasoning] for m in self.messages]
        return hashlib.sha256(json.dumps(turns, ensure_ascii=False).encode()).hexdigest()[:16]

    def problem(self) -> str | None:
        """What breaks the contract of a sample, in words; None where nothing does."""
        roles = [m.role for m in self.messages]
        if not roles or len(roles) % 2:
            return f"{len(roles)} messages where pairs of user and assistant are needed"
        if roles != ["user", "assistant"] * (len(roles) // 2):
            return "roles do not alternate user, assistant"
        empty = [k for k, m in enumerate(self.messages) if not m.content.strip()]
        if empty:
            return f"message {empty[0]} is empty"
        return None


Messages = tuple[Message, ...]


class LeftOut(Exception):
    """``LeftOut(reason, *details)``: the row cannot become a sample. It is counted by its reason; reading continues."""


def user_turn(text: str) -> Message:
    """A user's turn. Raises LeftOut where it is empty."""
    if not text.strip():
        raise LeftOut("the question is empty")
    return Message("user", text.strip())


def assistant_turn(text: str, reasoning: str = "") -> Message:
    """An assistant's turn.

    Args:
        text: The answer, which may have its reasoning before it as ``<think>...</think>``.
        reasoning: The reasoning where it is given separately, else "".

    Raises:
        LeftOut: The answer is empty, its ``<think>`` is malformed, or both reasonings are given and differ.
    """
    try:
        inside, content = split_reasoning(text)
    except ValueError as reason:
        raise LeftOut(str(reason)) from None
    if inside and reasoning.strip() and inside != reasoning.strip():
        raise LeftOut("the reasoning in the text is not the one in its own column")
    if not content:
        raise LeftOut("the answer is empty")
    return Message("assistant", content, reasoning.strip() or inside)


def joined(row: Row, *columns: str) -> str:
    """The texts of these columns, one below the other; empty ones are skipped."""
    return "\n".join(t for t in (row.text(c).strip() for c in columns) if t)


def from_instruction(row: Row, counts: Counter[str]) -> Messages:
    """A conversation from the columns instruction and output.

    ``input`` is added to the instruction, ``history`` holds the pairs of turns before it, ``system`` is left out and
    counted in ``counts``. Raises LeftOut like the turns, and QftError where a column is missing or of another type.
    """
    row.require("instruction", "output")
    counts["system texts left out"] += bool(row.text("system").strip())
    past = history(row)
    turns = [turn for a, b in past for turn in (user_turn(a), assistant_turn(b))]
    last = (
        user_turn(joined(row, "instruction", "input")),
        assistant_turn(row.text("output"), row.text("reasoning_content")),
    )
    return *turns, *last


def history(row: Row) -> list[list[str]]:
    """The column history: ``[[question, answer], ...]``, empty where it is absent.

    Raises QftError where it is anything else.
    """
    pairs = row.data.get("history")
    pairs = [] if pairs is None or pairs == "" else pairs
    if not isinstance(pairs, list) or not all(
        isinstance(p, list) and len(p) == 2 and all(isinstance(t, str) for t in p) for p in pairs
    ):
        raise QftError(f"{row.where}: column history is not a list of [question, answer] pairs of texts.")
    return pairs


def from_chat(row: Row, counts: Counter[str], column: str = "messages") -> Messages:
    """A conversation from a column of ``{"role", "content"}`` objects, ``reasoning_content`` beside an assistant's.

    A system text at the start is left out and counted in ``counts``: a sample holds only the two speakers. Raises
    LeftOut where the turns do not alternate, and QftError where the column is missing or of another type.
    """
    row.require(column)
    turns = row.data[column]
    if not isinstance(turns, list) or not all(isinstance(t, dict) and "role" in t and "content" in t for t in turns):
        raise QftError(f"{row.where}: column {column} is not a list of objects with role and content.")
    if turns and turns[0]["role"] == "system":
        counts["system texts left out"] += 1
        turns = turns[1:]
    alternating = ["user", "assistant"] * (len(turns) // 2)
    if not turns or [t["role"] for t in turns] != alternating:
        roles = ", ".join(shortened(str(t["role"]), 20) for t in turns[:6])
        raise LeftOut("its turns do not alternate user, assistant", roles or "none")
    return tuple(_turn(row, column, k, t) for k, t in enumerate(turns))


def _turn(row: Row, column: str, position: int, turn: dict[str, Any]) -> Message:
    part = row._replace(data=turn, unit=f"column {column}, turn {position} of {row.unit}")
    if turn["role"] == "user":
        return user_turn(part.text("content"))
    return assistant_turn(part.text("content"), part.text("reasoning_content"))


# who speaks in a turn of ``conversations``, by the names that sets in this form use
SPEAKERS = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "chatgpt": "assistant"}


def from_conversations(row: Row, counts: Counter[str]) -> Messages:
    """A conversation from the column conversations of ShareGPT: ``{"from": "human", "value": "2+2?"}, ...``.

    Turns may have ``role`` and ``content`` instead, as in some sets. System texts, at the start or in a column of
    their own, are left out and counted in ``counts``. Raises LeftOut where the turns do not alternate or another
    than the two speaks (a tool), and QftError where the column is missing or of another type.
    """
    row.require("conversations")
    turns = row.data["conversations"]
    if not isinstance(turns, list) or not all(isinstance(t, dict) for t in turns):
        raise QftError(f"{row.where}: column conversations is not a list of objects with from and value.")
    chat = [_as_chat(row, k, turn) for k, turn in enumerate(turns)]
    counts["system texts left out"] += bool(row.text("system").strip())
    return from_chat(row._replace(data={"conversations": chat}), counts, "conversations")


def _as_chat(row: Row, position: int, turn: dict[str, Any]) -> dict[str, Any]:
    said = {"role": turn.get("from"), "content": turn.get("value")} if "from" in turn or "value" in turn else turn
    if said.get("role") is None or "content" not in said:
        missing = f"turn {position} of column conversations has no from and value"
        raise QftError(f"{row.where}: {missing}; its keys: {', '.join(map(str, turn)) or 'none'}.")
    role = str(said["role"])
    return {**said, "role": SPEAKERS.get(role.casefold(), role)}


def split_reasoning(text: str) -> tuple[str | None, str]:
    """``"<think>\\n2+2=4\\n</think>\\n\\nIt is 4."`` -> ``("2+2=4", "It is 4.")``; None where there is no reasoning.

    A text that only closes the reasoning is read as one whose prompt opened it. Raises ValueError, with the reason,
    where the two cannot be told apart.
    """
    head, close, answer = text.partition(THINK_CLOSE)
    if not close:
        if THINK_OPEN in text:
            raise ValueError(f"the reasoning has no {THINK_CLOSE}")
        return None, text.strip()
    head = head.strip().removeprefix(THINK_OPEN)
    if THINK_OPEN in head or THINK_OPEN in answer or THINK_CLOSE in answer:
        raise ValueError(f"{THINK_OPEN} or {THINK_CLOSE} is where it does not belong")
    return head.strip() or None, answer.strip()


def merge_turns(turns: Iterable[tuple[str, str]], counts: Counter[str]) -> tuple[Message, ...]:
    """Turns as they were written, ``(role, text)``, -> alternating messages that end on the assistant.

    ``[("user", "我……"), ("user", "我睡不好。"), ("assistant", "多久了？"), ("user", "谢谢。")]`` becomes
    ``user "我……\\n我睡不好。", assistant "多久了？"``: empty turns are dropped, runs of one speaker merged, and turns
    before the user's first and after the assistant's last are cut, each counted in ``counts``. The result may be
    empty.
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
