"""uvicorn as it runs here: no log of its own, few connections, and answers that end when it does."""

from types import FrameType
from typing import Any

import uvicorn

from qft.serving.worker import Worker

CONNECTIONS = 200
GRACE = 5  # seconds for answers to end when the server is stopped


class HttpServer(uvicorn.Server):
    """Serves an ASGI app on sockets that listen already; the first signal ends what ``worker`` writes.

    Args:
        app: The app.
        worker: Writes its answers.
    """

    def __init__(self, app: Any, worker: Worker) -> None:
        options = uvicorn.Config(
            app,
            lifespan="off",
            ws="none",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=CONNECTIONS,
            timeout_graceful_shutdown=GRACE,
        )
        super().__init__(options)
        self._worker = worker

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal to stop, the second of which does not wait for clients."""
        self._worker.end()
        super().handle_exit(sig, frame)

    def stop(self) -> None:
        """As a signal does, from another thread."""
        self._worker.end()
        self.should_exit = True
