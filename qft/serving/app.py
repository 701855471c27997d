"""The endpoint as a FastAPI app: /v1/models and /v1/chat/completions.

Neither questions nor answers are logged, only how many tokens they have.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Collection
from typing import Any

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException

from qft.errors import QftError, nearest
from qft.evaluation.decoding import Decoding
from qft.names import shortened, visible
from qft.ranges import SEEDS
from qft.serving.engine import Answer, Engine, TooLong
from qft.serving.guard import Guard
from qft.serving.protocol import ApiError, ChatRequest, Completion, event
from qft.serving.worker import Full, Question, Stopping, Worker

log = logging.getLogger(__name__)
LOOK = 0.5  # seconds between looks at whether the client still waits
Item = str | Answer | Exception


def guarded(engine: Engine, worker: Worker, longest: int, hosts: Collection[str], token: str | None) -> Guard:
    """The app behind its guard.

    Args:
        engine: Whose models are offered.
        worker: Answers with them.
        longest: Tokens of an answer at most, and where a request states none.
        hosts: Names by which the server goes, beside localhost.
        token: What clients must know; None: nothing.
    """
    app = FastAPI(title="qft", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/v1/models")
    async def models() -> Any:
        return {"object": "list", "data": [_model(name) for name in engine.models]}

    @app.get("/v1/models/{name:path}")
    async def model(name: str) -> Any:
        return _model(_known(engine, name))

    @app.post("/v1/chat/completions")
    async def complete(asked: ChatRequest, request: Request) -> Any:
        asked.check()
        name = _known(engine, asked.model)
        decoding = _decoding(asked, longest)
        prompt = await run_in_threadpool(_prompt, engine, name, asked)
        answering = _Answering(worker, name, prompt, decoding, asked.stops())
        completion = Completion(name)
        if asked.stream:
            usage = asked.stream_options is not None and asked.stream_options.include_usage
            return StreamingResponse(answering.stream(completion, usage), media_type="text/event-stream")
        return JSONResponse(completion.whole(await answering.whole(request.is_disconnected)))

    _refuse_in_their_form(app)
    return Guard(app, hosts, token, _respond)


class _Answering:
    """One question in the worker's queue, and what comes of it, in this thread's event loop.

    Raises ApiError where the queue is full.
    """

    def __init__(self, worker: Worker, name: str, prompt: list[int], decoding: Decoding, stops: list[str]) -> None:
        self.worker, self.items = worker, asyncio.Queue[Item]()
        loop = asyncio.get_running_loop()

        def put(item: Item) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self.items.put_nowait, item)

        self.question = Question(name, prompt, decoding, stops, put, put, put)
        try:
            worker.ask(self.question)
        except Full:
            after = {"Retry-After": "5"}
            raise ApiError(503, "Too many questions are waiting; try again later.", "queue_full", None, after) from None
        except Stopping as stopping:
            raise _explained(stopping) from None

    async def whole(self, left: Callable[[], Any]) -> Answer:
        """The answer, once it is written. ``left`` is asked whether the client has gone, which ends it."""
        try:
            while True:
                try:
                    item = await asyncio.wait_for(self.items.get(), LOOK)
                except TimeoutError:
                    if await left():
                        raise ApiError(499, "The client has gone.", "client_closed") from None
                    continue
                if isinstance(item, Exception):
                    raise _explained(item)
                if isinstance(item, Answer):
                    _note(self.question.model, item)
                    return item
        finally:
            self.worker.withdraw(self.question)

    async def stream(self, completion: Completion, usage: bool) -> AsyncIterator[str]:
        """The events of the answer; when the client goes, this is cancelled, which ends the answer."""
        try:
            yield completion.first()
            while True:
                item = await self.items.get()
                if isinstance(item, Exception):
                    yield event(_explained(item).document())
                    return
                if isinstance(item, Answer):
                    _note(self.question.model, item)
                    yield completion.last(item, usage)
                    return
                yield completion.piece(item)
        finally:
            self.worker.withdraw(self.question)


def _known(engine: Engine, name: str) -> str:
    if name not in engine.models:
        there = nearest(name, engine.models)
        raise ApiError(404, f"There is no model '{visible(shortened(name))}'.{there}", "model_not_found", "model")
    return name


def _prompt(engine: Engine, name: str, asked: ChatRequest) -> list[int]:
    try:
        return engine.prompt(name, asked.turns())
    except TooLong as error:
        raise ApiError(400, str(error), "context_length_exceeded", "messages") from None
    except QftError as error:
        raise ApiError(400, str(error), "invalid_value", "messages") from None


def _decoding(asked: ChatRequest, longest: int) -> Decoding:
    """Greedy unless a temperature above 0 is asked for; drawn differently each time unless a seed is."""
    key = "max_tokens" if asked.max_completion_tokens is None else "max_completion_tokens"
    wanted = asked.max_tokens if asked.max_completion_tokens is None else asked.max_completion_tokens
    if wanted is not None and wanted > longest:
        raise ApiError(
            400, f"{key}={shortened(str(wanted))} is above this server's limit of {longest}.", "invalid_value", key
        )
    seed = secrets.randbelow(SEEDS) if asked.seed is None else asked.seed % (SEEDS + 1)
    drawn = bool(asked.temperature)
    top_p = 1.0 if asked.top_p is None else asked.top_p
    return Decoding(wanted or longest, 1, drawn, asked.temperature or 1.0, top_p, seed)


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "qft"}


def _note(name: str, answer: Answer) -> None:
    log.info(
        "%s: %d tokens read, %d written in %.1f s (%s)",
        name,
        answer.prompt_tokens,
        answer.tokens,
        answer.seconds,
        answer.end,
    )


def _explained(error: Exception) -> ApiError:
    """What went wrong with an answer, in words for the client; a fault of ours is told in the log."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, Stopping):
        return ApiError(503, "The server is being stopped.", "stopping")
    if isinstance(error, QftError):
        return ApiError(500, str(error), "not_answered")
    log.error("An answer failed: %s: %s", type(error).__name__, error)
    return ApiError(500, f"This is a fault of the server, not yours ({type(error).__name__}).", "fault")


def _refuse_in_their_form(app: FastAPI) -> None:
    """Every error leaves as OpenAI's clients expect it."""

    @app.exception_handler(ApiError)
    async def refused(_: Request, error: ApiError) -> Response:
        return _json(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = visible(shortened(".".join(str(part) for part in first["loc"] if part != "body")))
        return _json(ApiError(400, f"{where or 'The body'}: {first['msg']}.", "invalid_value", where or None))

    @app.exception_handler(HTTPException)
    async def other(request: Request, error: HTTPException) -> Response:
        missing = f"There is no {request.method} {visible(shortened(request.url.path))} here."
        message = missing if error.status_code in (404, 405) else str(error.detail)
        return _json(ApiError(error.status_code, message, "not_found" if error.status_code == 404 else "refused"))

    @app.exception_handler(Exception)
    async def fault(_: Request, error: Exception) -> Response:
        return _json(_explained(error))


def _json(error: ApiError) -> Response:
    return JSONResponse(error.document(), error.status, error.headers)


async def _respond(error: ApiError, scope: Any, receive: Any, send: Any) -> None:
    await _json(error)(scope, receive, send)
