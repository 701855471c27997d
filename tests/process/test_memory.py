"""Memory in bytes, whatever unit the system counts in."""

import psutil
import pytest
import torch

from qft.process import memory


def test_the_peak_is_that_of_the_process_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    resident = psutil.Process().memory_info().rss
    assert resident / 2 < memory.peak_bytes() < psutil.virtual_memory().total


def test_what_is_free_is_that_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("M", (), {"available": 7}))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device=None: (5, 9))
    for gpu in (True, False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda gpu=gpu: gpu)
        assert memory.free_bytes() == (5 if gpu else 7)
        assert memory.free_bytes(torch.device("cpu")) == 7 and memory.free_bytes(torch.device("cuda")) == 5
