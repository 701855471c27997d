"""A run that cannot fit is refused before it starts."""

from collections import namedtuple
from pathlib import Path

import pytest

from qft.errors import QftError
from qft.models import resources
from qft.models.count import Counts

SMALL = Counts(modules=[], trainable=1000, base=10_000, lora_r4=4000, base_bytes=40_000, hidden_size=8, notes=[])
HUGE = Counts(modules=[], trainable=10**12, base=10**12, lora_r4=10**12, base_bytes=4 * 10**12, hidden_size=8, notes=[])


def test_memory() -> None:
    resources.check_memory(SMALL)
    with pytest.raises(QftError, match="GB of"):
        resources.check_memory(HUGE)


def test_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resources.check_disk(tmp_path / "not" / "yet", SMALL)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(10**9, 10**9, 10**6))
    with pytest.raises(QftError, match="1 MB are free"):
        resources.check_disk(tmp_path, SMALL)
