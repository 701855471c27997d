"""Stand-ins for the hubs: what was asked of them is noted."""

import sys
import types
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
