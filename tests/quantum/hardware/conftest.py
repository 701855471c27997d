"""The emulator as each test of this folder finds it."""

import pytest
import service


@pytest.fixture
def cloud(emulator, monkeypatch):
    """The emulator with nothing wrong, and its key in the environment."""
    monkeypatch.setenv("QFT_QCLOUD_KEY", service.KEY)
    emulator.set(key=service.KEY, delay=0, reorder=1, polls=0, exact=False, online=True, faults=[], seed=1, forget=True)
    return emulator
