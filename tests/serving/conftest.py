"""Two adapters and their base, which the tests of the engine, the chat and the server ask."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from talkers import DEMO, a_lora, a_qwthn

from qft.serving import subjects
from qft.serving.engine import Engine


@pytest.fixture(scope="session")
def qwthn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_qwthn(tmp_path_factory.mktemp("serving") / "qwthn")


@pytest.fixture(scope="session")
def lora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_lora(tmp_path_factory.mktemp("serving") / "lora")


@pytest.fixture(scope="session")
def engine(qwthn: Path, lora: Path) -> Iterator[Engine]:
    """qwthn, lora and demo, on one base."""
    named = subjects.speakers([], [str(qwthn), str(lora)], DEMO, None, "outputs")
    subjects.check([], named, "outputs")
    engine = Engine(named)
    yield engine
    engine.close()
