"""``qft serve``: the port, the token, the server's life. Light until it is opened; FastAPI and uvicorn are an extra."""

import errno
import ipaddress
import os
import re
import socket
from collections.abc import Sequence
from contextlib import suppress

from qft.config import ServeConfig
from qft.errors import QftError
from qft.process.files import reason
from qft.progress import quiet_libraries
from qft.serving import subjects

TOKEN = "QFT_SERVE_TOKEN"  # the environment's variable, never an option: those end in logs and files
SHORTEST = 16  # characters of a token


class Server:
    """A server that listens, and answers once ``run`` is called.

    Whatever can be refused is refused when it is made: options, the port, the runs, last their models.

    Args:
        config: Options of ``qft serve``.

    Attributes:
        models: The names that it answers by.
        url: Where: what clients take as ``base_url``.
        guarded: Whether clients need a token.

    Raises:
        QftError: A problem that the user can fix.
    """

    def __init__(self, config: ServeConfig) -> None:
        _check_extra()
        token = _token(config.host)
        self.guarded = token is not None
        runs = config.run if isinstance(config.run, list) else [config.run] if config.run is not None else []
        named = subjects.speakers(
            list(map(str, runs)), config.adapters, config.model, config.max_seq_len, config.output_dir
        )
        self._socket = _listen(config.host, config.port)
        try:
            self._open(config, named, list(map(str, runs)), token)
        except BaseException:
            self._socket.close()
            raise
        host, port = self._socket.getsockname()[:2]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}/v1"

    def _open(self, config: ServeConfig, named: Sequence[subjects.Speaker], runs: list[str], token: str | None) -> None:
        from qft.data import template

        for speaker in named:
            template.check_name(speaker.template)
        quiet_libraries()
        from qft.serving.app import guarded
        from qft.serving.engine import Engine
        from qft.serving.http import HttpServer
        from qft.serving.worker import Worker

        subjects.check(runs, named, config.output_dir)
        engine = Engine(named)
        self.models = list(engine.models)
        self._worker = Worker(engine, config.queue)
        app = guarded(engine, self._worker, config.max_new_tokens, config.hosts, token)
        self._server = HttpServer(app, self._worker)

    def run(self) -> None:
        """Answer until a signal or ``stop`` ends it; answers that are being written then end where they are."""
        try:
            with suppress(KeyboardInterrupt):  # uvicorn sends the signal again once it has stopped
                self._server.run(sockets=[self._socket])
        finally:
            self._worker.stop()
            self._socket.close()

    def stop(self) -> None:
        """End ``run``, from another thread."""
        self._server.stop()


def _check_extra() -> None:
    try:
        import fastapi
        import uvicorn
    except ImportError:
        raise QftError("qft serve needs the extra: pip install 'qft[serve]'.") from None
    del fastapi, uvicorn


def _token(host: str) -> str | None:
    """The token from the environment. Raises QftError where it is unfit, or missing where others can reach us."""
    token = os.environ.get(TOKEN)
    if token is not None and not re.fullmatch(rf"[!-~]{{{SHORTEST},500}}", token):
        raise QftError(f"{TOKEN} needs {SHORTEST} or more letters, digits and signs, without spaces.")
    if token is None and not _is_this_machine(host):
        raise QftError(
            f"host={host} lets others reach the server: put a token for them into the environment first, such as "
            f"export {TOKEN}=$(openssl rand -hex 16)."
        )
    return token


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens, so that nobody else can from now on."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise QftError(f"host={host[:80]} is not an address of this machine.") from None
    family, kind, protocol, _, address = found[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(128)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise QftError(f"port={port} is taken by another program, maybe another qft serve; choose one.") from None
        raise QftError(f"host={host[:80]} port={port} cannot be listened on: {reason(error)}.") from None
    return listening
