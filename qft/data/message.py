"""What every dataset becomes: samples of alternating user and assistant messages.

A real sample (CPsyCounD case_0, shortened)::

    Sample("case_0", (Message("user", "心理咨询师，我觉得我很自私……"),
                      Message("assistant", "你能详细描述一下这种情况吗？")))
"""

from dataclasses import dataclass

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
