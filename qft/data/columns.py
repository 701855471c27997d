"""The usual columns of conversations: which of them a row has, and how they become messages.

One exchange in each of the forms::

    {"messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}]}
    {"conversations": [{"from": "human", "value": "2+2?"}, {"from": "gpt", "value": "4"}]}
    {"instruction": "Add.", "input": "2+2", "output": "4"}
    {"prompt": "2+2?", "response": "4"}
    {"query": "2+2?", "response": "4"}
    {"question": "2+2?", "answer": "2+2=4\\n#### 4"}

The last is that of GSM8K: what follows ``####`` in the last line is the final answer, which can be verified.
"""

import difflib
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from qft.data.messages import (
    Messages,
    assistant_turn,
    from_chat,
    from_conversations,
    from_instruction,
    user_turn,
)
from qft.data.rows import Row
from qft.errors import QftError
from qft.names import shortened

NEAR = 0.75  # how alike a column's name must be to that of a form to count as a near miss
STATED = re.compile(r"\n####[ \t]*([^\n]+?)\s*\Z")


@dataclass(frozen=True)
class Form:
    """One way to write a conversation in columns.

    Attributes:
        columns: Those that a row of this form has.
        read: Makes messages of a row, and the final answer where it states one.
    """

    columns: tuple[str, ...]
    read: Callable[[Row, Counter[str]], tuple[Messages, str | None]]


def _pair(question: str, answer: str) -> Form:
    def read(row: Row, counts: Counter[str]) -> tuple[Messages, str | None]:
        row.require(question, answer)
        counts["system texts left out"] += bool(row.text("system").strip())
        written = row.text(answer)
        stated = STATED.search(written) if answer == "answer" else None
        turns = user_turn(row.text(question)), assistant_turn(written, row.text("reasoning_content"))
        return turns, stated[1] if stated else None

    return Form((question, answer), read)


# the first form that a row has is taken
FORMS = (
    Form(("messages",), lambda row, counts: (from_chat(row, counts), None)),
    Form(("instruction", "output"), lambda row, counts: (from_instruction(row, counts), None)),
    _pair("prompt", "response"),
    Form(("conversations",), lambda row, counts: (from_conversations(row, counts), None)),
    _pair("query", "response"),
    _pair("question", "answer"),
)


def read(row: Row, counts: Counter[str]) -> tuple[Messages, str | None]:
    """A row in any of the forms -> its messages, and the final answer that it states (None: none).

    Where a row has the columns of two forms, such as a table of mixed rows, the first that is filled is read.

    Raises:
        LeftOut: The row cannot become a sample.
        QftError: It has the columns of no form (those that nearly are some are named), or one holds something else.
    """
    present = [form for form in FORMS if all(column in row.data for column in form.columns)]
    filled = (form for form in present if row.data[form.columns[0]] is not None)
    form = next(filled, present[0] if present else None)
    if form is None:
        raise _no_form(row)
    return form.read(row, counts)


def near_misses(row: Row, wanted: tuple[str, ...]) -> str:
    """`` Rename question_text to question.``, to end a message with; "" where no column is nearly a wanted one."""
    names = [name for name in map(str, row.data) if name not in wanted]
    lower = {name.strip().casefold(): name for name in reversed(names)}
    found: dict[str, str] = {}
    for column in wanted:
        close = difflib.get_close_matches(column, lower, n=1, cutoff=NEAR)
        if column not in row.data and close:
            found.setdefault(lower[close[0]], column)
    renamed = " and ".join(f"{shortened(name)} to {column}" for name, column in found.items())
    return f" Rename {renamed}." if renamed else ""


def _no_form(row: Row) -> QftError:
    halves = [form.columns for form in FORMS if any(column in row.data for column in form.columns)]
    hint = near_misses(row, tuple(dict.fromkeys(c for form in FORMS for c in form.columns)))
    if halves and not hint:
        try:
            row.require(*halves[0])
        except QftError as error:
            return error
    forms = "; ".join(" and ".join(form.columns) for form in FORMS)
    return QftError(f"{row.where}: no columns of a conversation ({forms}). Its columns: {row.columns()}.{hint}")
