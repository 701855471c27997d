"""A lock is held by one process and is free once that process is gone."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from qft.process import locks


def held_elsewhere(hold: Callable[[], object]) -> Callable[[], None]:
    """Run ``hold`` in another process, return once it holds the lock; call the result to kill that process."""
    read, write = os.pipe()
    if not (pid := os.fork()):
        _kept = hold()  # not collected: a file that is collected is closed
        os.write(write, b"x")
        signal.pause()
    assert os.read(read, 1) == b"x"

    def kill() -> None:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

    return kill


def test_a_lock_is_free_once_its_process_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert locks.is_free(path) and not path.exists() and locks.lock_existing(path) is None
    kill = held_elsewhere(lambda: locks.lock(path))
    try:
        assert not locks.is_free(path)
        for take in (locks.lock, locks.lock_existing):
            with pytest.raises(BlockingIOError):
                take(path)
    finally:
        kill()
    assert locks.is_free(path)
    locks.lock(path).close()


def test_a_byte_is_locked_by_its_descriptor_and_not_by_another_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.touch()

    def opened() -> int:
        return os.open(path, os.O_RDWR)

    kill = held_elsewhere(lambda: (fd := opened(), locks.lock_byte(fd, 2**62), os.close(opened())))
    mine = opened()
    try:
        locks.lock_byte(mine, 2**62 - 1)
        with pytest.raises(BlockingIOError):
            locks.lock_byte(mine, 2**62)
    finally:
        kill()
    locks.lock_byte(mine, 2**62)
    os.close(mine)
