"""A running emulator, and the dummy key it takes, for the tests of this folder."""

import pytest
import service


@pytest.fixture(scope="session")
def emulator():
    with service.start() as running:
        yield running


@pytest.fixture
def cloud(emulator, monkeypatch):
    """The emulator with nothing wrong, and its key in the environment."""
    monkeypatch.setenv("QFT_QCLOUD_KEY", service.KEY)
    emulator.set(key=service.KEY, delay=0, reorder=1, polls=0, exact=False, faults=[], seed=1, forget=True)
    return emulator
