"""Starts the emulator for tests: ``with service.start() as cloud: cloud.url, cloud.set(...), cloud.seen()``."""

import contextlib
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PACKAGED = Path(__file__).parents[3] / "configs"
KEY = "dummy-key-0123456789abcdef"
CRN = "crn:v1:bluemix:public:quantum-computing:us-east:a/0:0::"


def ibm_account(url: str) -> dict[str, str]:
    """The environment in which qiskit-ibm-runtime has an account at ``url``, of one instance."""
    return {
        **{"QISKIT_IBM_TOKEN": KEY, "QISKIT_IBM_INSTANCE": CRN, "IAM_URL": url, "no_proxy": "127.0.0.1"},
        # an address with this word is taken as it is
        **{"QISKIT_IBM_URL": f"{url}/experimental", "QISKIT_FUNCTIONS_EXPERIMENTAL": "1"},
    }


class Emulator:
    """A running emulator, by its address."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def set(self, **settings: Any) -> dict[str, Any]:
        """Change how it behaves; returns what it has seen so far."""
        request = urllib.request.Request(f"{self.url}/control", json.dumps(settings).encode(), method="POST")
        with urllib.request.urlopen(request, timeout=300) as reply:
            return json.load(reply)

    def seen(self) -> dict[str, Any]:
        """Requests, circuits, jobs so far."""
        return self.set()


@contextlib.contextmanager
def start(seconds: float = 14_400, name: str = "emulator.py") -> Iterator[Emulator]:
    """An emulator of its own, the one of this name; gone at the end, with this process, or after ``seconds``."""
    script = str(Path(__file__).with_name(name))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, script, str(seconds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        yield Emulator(int(process.stdout.readline()))
    finally:
        process.stdin.close()
        process.stdout.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
