"""Answer over HTTP as OpenAI's chat completions do, by runs and adapters of one base (needs the extra serve).

``qft serve RUN RUN ...`` or ``adapters=[DIR,DIR] model.path=BASE``; clients choose by ``model``, the base included.
It listens on this machine only; ``host=`` with a token in QFT_SERVE_TOKEN opens it to others. Ctrl-C stops it.
"""

import sys

from qft.cli._command import Command
from qft.cli._output import log, show
from qft.compose.words import words_as
from qft.config import ServeConfig
from qft.progress import start_logging

USAGE = "[RUN ...]"


def arguments(args: list[str]) -> list[str]:
    """Words without "=" become the list ``run=['A','B']``."""
    return words_as("run", args, several=True)


def run(config: ServeConfig) -> None:
    """Load the models, say where they answer, and answer until it is stopped."""
    start_logging()
    from qft.serving.server import TOKEN, Server

    server = Server(config)
    document = {"url": server.url, "models": server.models, "token": server.guarded}
    show(config.format, document, f"answering at {server.url}", ["model"], [[name] for name in server.models])
    sys.stdout.flush()  # who started it reads the port from a pipe
    if server.guarded:
        log.info("clients give the token of %s as api_key", TOKEN)
    log.info("Ctrl-C stops it.")
    server.run()
    log.info("stopped")


COMMAND = Command(ServeConfig, run, arguments)
