"""A service on this machine that says its port and ends with whoever started it."""

import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def serve(handler: type[BaseHTTPRequestHandler]) -> None:
    """Answer for as long as standard input is open, at most the seconds that the command names."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 300.0
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the client
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    limit = threading.Timer(seconds, os._exit, (1,))
    limit.daemon = True
    limit.start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()  # until whoever started this is gone
