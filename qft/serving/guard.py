"""What stands before every request: the Host header, the token, and bounds of size and time.

A page of the web can make a browser send requests to this machine under a name of its own (DNS rebinding). So a name in
Host must be one that this server goes by; an address cannot be rebound. And no page can send JSON elsewhere without
asking first, which nothing here answers: a body must say that it is JSON.
"""

import asyncio
import ipaddress
import re
import secrets
from collections.abc import Collection
from typing import Any

from qft.serving.protocol import ApiError

BODY = 1_000_000  # bytes
SECONDS = 30.0  # in which a body must arrive
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?")


class Guard:
    """ASGI middleware that refuses in OpenAI's form.

    Args:
        app: What is guarded.
        hosts: Names by which this server goes, beside localhost.
        token: What ``Authorization: Bearer`` must hold; None: nothing.
        respond: Sends a refusal: called with it and ASGI's scope, receive and send.
    """

    def __init__(self, app: Any, hosts: Collection[str], token: str | None, respond: Any) -> None:
        self.app, self.respond = app, respond
        self.hosts = {"localhost", *(host.lower() for host in hosts)}
        self.token = None if token is None else f"Bearer {token}".encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Let a request through, its body read as a whole, or refuse it."""
        if scope["type"] != "http":
            return
        try:
            headers = self._check(scope)
            body = await asyncio.wait_for(_body(receive), SECONDS) if headers else b""
        except TimeoutError:
            error = ApiError(408, f"The request did not arrive within {SECONDS:g} seconds.", "timeout")
            await self.respond(error, scope, receive, send)
        except ApiError as error:
            await self.respond(error, scope, receive, send)
        else:
            await self.app(scope, _again(body, receive), send)

    def _check(self, scope: Any) -> bool:
        """Whether there is a body to be read. Raises ApiError for headers that are refused."""
        headers: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name, []).append(value)
        self._check_host(headers.get(b"host", []))
        if self.token is not None:
            given = headers.get(b"authorization", [])
            if len(given) != 1 or not secrets.compare_digest(given[0], self.token):
                asks = {"WWW-Authenticate": "Bearer"}
                raise ApiError(401, "The token is missing or wrong: give it as api_key.", "invalid_api_key", None, asks)
        if scope["method"] != "POST":
            return False
        kind = b"".join(headers.get(b"content-type", [])).split(b";")[0].strip().lower()
        if kind != b"application/json":
            raise ApiError(415, "The body must be JSON, with Content-Type: application/json.", "invalid_content_type")
        length = b"".join(headers.get(b"content-length", [])).decode("latin-1")
        if length.isdigit() and int(length[:20]) > BODY:
            raise _too_large()
        return True

    def _check_host(self, given: list[bytes]) -> None:
        match = _HOST.fullmatch(given[0].decode("latin-1")) if len(given) == 1 else None
        if match is not None:
            host = match[1].lower().removesuffix(".")
            if host in self.hosts or _is_address(host):
                return
        raise ApiError(
            403, "This server does not go by the name in the Host header; hosts=[NAME] allows one.", "host_not_allowed"
        )


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


async def _body(receive: Any) -> bytes:
    """The whole body. Raises ApiError where it is larger than BODY."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"".join(chunks)
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > BODY:
            raise _too_large()
        if not message.get("more_body"):
            return b"".join(chunks)


def _again(body: bytes, receive: Any) -> Any:
    """ASGI's receive with the body as one message, and after it whatever comes."""
    left = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Any:
        return left.pop() if left else await receive()

    return replay


def _too_large() -> ApiError:
    return ApiError(413, f"The request is larger than {BODY:,} bytes.", "request_too_large")
