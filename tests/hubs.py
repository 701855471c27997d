"""Stand-ins for the hubs: what was asked of them is noted."""

import base64
import json
import sys
import threading
import types
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest


def modelscope(monkeypatch: pytest.MonkeyPatch, folder: Path) -> list[str]:
    """The names we use of the package (seen in modelscope 1.40), serving ``folder``; returns the files fetched."""
    fetched: list[str] = []

    class HubApi:
        def get_dataset_files(self, repo_id: str, *, page_number: int = 1, page_size: int = 100) -> list[dict]:
            found = [{"Path": str(f.relative_to(folder)), "Type": "blob"} for f in sorted(folder.rglob("*"))]
            return found[(page_number - 1) * page_size : page_number * page_size]

    def dataset_file_download(dataset_id: str, file_path: str) -> str:
        fetched.append(file_path)
        return str(folder / file_path)

    members = {
        "modelscope.hub.api": {"HubApi": HubApi},
        "modelscope.hub.file_download": {"dataset_file_download": dataset_file_download},
        "modelscope.hub.utils.utils": {"get_endpoint": lambda: "http://hub.invalid"},
    }
    for name in ("modelscope", "modelscope.hub", "modelscope.hub.utils", *members):
        module = types.ModuleType(name)
        module.__dict__.update(members.get(name, {}))
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr("qft.data.sources.check_reachable", lambda *args: None)
    return fetched


@dataclass
class Hub:
    """A stand-in for the Hugging Face hub, as huggingface_hub 2.4 speaks to it.

    Attributes:
        url: Where it listens.
        token: Who may write.
        created: Bodies of the requests to make a repository.
        commits: What each commit put there: file -> content.
        paths: Of every request.
    """

    url: str
    token: str = "hf_right"
    created: list[dict] = field(default_factory=list)
    commits: list[dict[str, bytes]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)


@contextmanager
def huggingface() -> Iterator[Hub]:
    """The hub on this machine, in a thread of this process."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            hub.paths.append(self.path)
            if self.headers.get("Authorization") != f"Bearer {hub.token}":
                self._answer(401, {"error": "Invalid username or password."})
            elif self.path == "/api/repos/create":
                hub.created.append(json.loads(body))
                self._answer(200, {"url": f"{hub.url}/{hub.created[-1].get('organization')}/{hub.created[-1]['name']}"})
            elif self.path == "/api/validate-yaml":  # of the card's header
                self._answer(200, {"warnings": [], "errors": []})
            elif "/preupload/" in self.path:
                names = [each["path"] for each in json.loads(body)["files"]]
                files = [{"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in names]
                self._answer(200, {"files": files})
            else:
                lines = [json.loads(line) for line in body.splitlines()]
                values = [line["value"] for line in lines if line["key"] == "file"]
                hub.commits.append({each["path"]: base64.b64decode(each["content"]) for each in values})
                self._answer(200, {"commitUrl": f"{hub.url}/me/mine/commit/abc", "commitOid": "abc"})

        def _answer(self, code: int, content: dict) -> None:
            text = json.dumps(content).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub = Hub(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
