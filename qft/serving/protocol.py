"""OpenAI's chat completions as data: what a request may say, and what is answered.

    POST /v1/chat/completions
    {"model": "my-run", "messages": [{"role": "user", "content": "2+2?"}], "temperature": 0, "stream": false}

An option that would change the answer and is not known here is refused, not ignored.
"""

import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr

from qft.names import shortened, visible
from qft.serving.engine import Answer, Turn

MESSAGES = 1000  # of a conversation at most
STOPS = 4  # texts that end an answer, at most
LONGEST_STOP = 100  # characters
# options that change no answer
IGNORED = ("name", "user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key")


@dataclass
class ApiError(Exception):
    """What is answered instead: an HTTP status and OpenAI's form of an error."""

    status: int
    message: str
    code: str
    param: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """The body of the answer."""
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")
    type: Literal["text"]
    text: StrictStr


class _Message(BaseModel):
    model_config = ConfigDict(extra="allow")
    role: Literal["system", "developer", "user", "assistant"]
    content: StrictStr | Annotated[list[_Part], Field(max_length=MESSAGES)]

    def turn(self) -> Turn:
        """As the templates take it."""
        text = self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)
        return {"role": "system" if self.role == "developer" else self.role, "content": text}


class _StreamOptions(BaseModel):
    include_usage: StrictBool = False


class ChatRequest(BaseModel):
    """A request, with everything in its bounds."""

    model_config = ConfigDict(extra="allow")
    model: Annotated[StrictStr, Field(max_length=300)]
    messages: Annotated[list[_Message], Field(min_length=1, max_length=MESSAGES)]
    max_tokens: Annotated[int, Field(ge=1, strict=True)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1, strict=True)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63, strict=True)] | None = None
    stop: StrictStr | Annotated[list[StrictStr], Field(max_length=STOPS)] | None = None
    stream: StrictBool | None = None
    stream_options: _StreamOptions | None = None
    n: Literal[1] | None = None
    presence_penalty: Annotated[float, Field(ge=0, le=0)] | None = None
    frequency_penalty: Annotated[float, Field(ge=0, le=0)] | None = None
    logprobs: Literal[False] | None = None

    def check(self) -> None:
        """Raise ApiError for what the types above do not say."""
        of_messages = ((f"messages.{k}.", m.model_extra or {}) for k, m in enumerate(self.messages))
        for place, extra in (("", self.model_extra or {}), *of_messages):
            if key := next((k for k, v in extra.items() if v not in (None, [], {}, "") and k not in IGNORED), None):
                key = f"{place}{visible(shortened(key))}"
                text = f"{key} is not supported by this server; leave it out."
                raise ApiError(400, text, "unsupported_parameter", key)
        if any(not stop or len(stop) > LONGEST_STOP for stop in self.stops()):
            raise ApiError(400, f"A stop text has 1 to {LONGEST_STOP} characters.", "invalid_value", "stop")
        if not any(message.turn()["content"].strip() for message in self.messages):
            raise ApiError(400, "All messages are empty.", "invalid_value", "messages")

    def turns(self) -> list[Turn]:
        """The conversation."""
        return [message.turn() for message in self.messages]

    def stops(self) -> list[str]:
        """Texts that end the answer."""
        return [self.stop] if isinstance(self.stop, str) else list(self.stop or ())


@dataclass(frozen=True)
class Completion:
    """The answers to one request: whole, or in events of a stream."""

    model: str
    id: str = field(default_factory=lambda: f"chatcmpl-{secrets.token_hex(12)}")
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, answer: Answer) -> dict[str, Any]:
        """The answer of a request without ``stream``."""
        message = {"role": "assistant", "content": answer.text}
        choice = {"index": 0, "message": message, "finish_reason": _reason(answer), "logprobs": None}
        return self._document("chat.completion", [choice]) | {"usage": _usage(answer)}

    def first(self) -> str:
        """The event that opens a stream."""
        return self._chunk({"role": "assistant", "content": ""}, None)

    def piece(self, text: str) -> str:
        """The event of a piece of text."""
        return self._chunk({"content": text}, None)

    def last(self, answer: Answer, usage: bool) -> str:
        """The events that close a stream; with ``usage`` also the one that counts tokens."""
        end = self._chunk({}, _reason(answer))
        if usage:
            end += event(self._document("chat.completion.chunk", []) | {"usage": _usage(answer)})
        return f"{end}data: [DONE]\n\n"

    def _chunk(self, delta: dict[str, str], reason: str | None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}
        return event(self._document("chat.completion.chunk", [choice]))

    def _document(self, kind: str, choices: list[Any]) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model, "choices": choices}


def event(document: dict[str, Any]) -> str:
    """A server-sent event."""
    return f"data: {json.dumps(document)}\n\n"


def _reason(answer: Answer) -> str:
    return "stop" if answer.end == "stop" else "length"


def _usage(answer: Answer) -> dict[str, int]:
    total = answer.prompt_tokens + answer.tokens
    return {"prompt_tokens": answer.prompt_tokens, "completion_tokens": answer.tokens, "total_tokens": total}
