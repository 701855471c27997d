"""Rows -> messages: what every dataset becomes, and how the usual columns of rows become it.

A real sample (CPsyCounD case_0, shortened)::

    Sample("case_0", (Message("user", "心理咨询师，我觉得我很自私……"),
                      Message("assistant", "你能详细描述一下这种情况吗？")))

Three forms of one exchange (the reasoning of the second may also stand in the output, as ``<think>``)::

    {"messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}]}
    {"prompt": "2+2?", "response": "4", "reasoning_content": "2+2=4"}
    {"instruction": "Add.", "input": "2+2", "output": "4"}
"""

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
    """One turn. ``reasoning`` is the chain of thought of an assistant turn, kept apart from its answer."""

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
    """One conversation: ``user, assistant, user, ..., assistant``. ``id`` is stable in its source.

    ``answer``: what the last answer must state, such as ``57`` or ``\\frac{1}{2}``, where the source says it.
    """

    id: str
    messages: tuple[Message, ...]
    answer: str | None = None

    def problem(self) -> str | None:
        """Say what breaks the contract of a sample, or None where nothing does."""
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
    """``LeftOut(reason, *details)``: why a row becomes no sample. Counted by its reason; the reading goes on."""


def user_turn(text: str) -> Message:
    """A user's turn; LeftOut where it is empty."""
    if not text.strip():
        raise LeftOut("the question is empty")
    return Message("user", text.strip())


def assistant_turn(text: str, reasoning: str = "") -> Message:
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


def from_prompt(row: Row) -> Messages:
    """Columns prompt and response, reasoning_content where there is one."""
    row.require("prompt", "response")
    return user_turn(row.text("prompt")), assistant_turn(row.text("response"), row.text("reasoning_content"))


def from_instruction(row: Row, counts: Counter[str]) -> Messages:
    """Columns instruction and output; input joins the instruction, history holds earlier pairs of turns."""
    row.require("instruction", "output")
    counts["system texts left out"] += bool(row.text("system").strip())
    past = row.data.get("history")
    past = [] if past is None or past == "" else past
    if not isinstance(past, list) or not all(
        isinstance(p, list) and len(p) == 2 and all(isinstance(t, str) for t in p) for p in past
    ):
        raise QftError(f"{row.where}: column history is not a list of [question, answer] pairs of texts.")
    turns = [turn for a, b in past for turn in (user_turn(a), assistant_turn(b))]
    last = (
        user_turn(joined(row, "instruction", "input")),
        assistant_turn(row.text("output"), row.text("reasoning_content")),
    )
    return *turns, *last


def from_chat(row: Row, counts: Counter[str], column: str = "messages") -> Messages:
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
        return user_turn(part.text("content"))
    return assistant_turn(part.text("content"), part.text("reasoning_content"))


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


def merge_turns(turns: Iterable[tuple[str, str]], counts: Counter[str]) -> tuple[Message, ...]:
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
