"""The emulator as each test of this folder finds it."""

import pytest
import service
from connections import noted


@pytest.fixture
def cloud(emulator, monkeypatch):
    """The emulator with nothing wrong, and its key in the environment."""
    monkeypatch.setenv("QFT_QCLOUD_KEY", service.KEY)
    emulator.set(key=service.KEY, delay=0, reorder=1, polls=0, exact=False, online=True, faults=[], seed=1, forget=True)
    return emulator


@pytest.fixture(autouse=True)
def connections():
    """SQLite's connections that journals open in this test, the latest last."""
    with noted() as opened:
        yield opened
