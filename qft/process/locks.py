"""Locks between processes, as lock files (``lock``) or as a byte of the locked file itself (``lock_byte``).

A lock is let go when the process is gone, however it ended, so there are no stale ones.
"""

import errno
import fcntl
import os
import struct
import sys
from pathlib import Path
from typing import IO

from qft.process.files import open_regular

_OPEN_FILE_LOCK = fcntl.F_OFD_SETLK if sys.platform == "linux" else None


def lock(path: Path, wait: bool = False) -> IO[str]:
    """Hold the lock file ``path`` until the returned file is closed or this process is gone.

    Args:
        path: The lock file. It is created if need be, and stays when the lock is let go.
        wait: Wait for another process that holds it, instead of raising.

    Raises:
        BlockingIOError: Another process holds the lock, and ``wait`` is false.
        OSError: The file cannot be opened, or is a link, a directory, a pipe or a device.
    """
    file = os.fdopen(open_regular(path, os.O_RDWR), "r+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        file.close()
        raise
    return file


def is_free(path: Path) -> bool:
    """Return True if no process holds the lock file ``path``.

    Creates nothing: True where there is no such file, and where it cannot be opened (whoever takes it will be told).
    """
    descriptor = _open_existing(path)
    if descriptor is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def lock_existing(path: Path) -> int | None:
    """Hold the lock file ``path`` if there is one: the descriptor to close, None where it cannot be opened.

    Raises:
        BlockingIOError: Another process holds the lock.
    """
    descriptor = _open_existing(path)
    if descriptor is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _open_existing(path: Path) -> int | None:
    """A descriptor of the file, following no link and waiting for no pipe; None where it cannot be opened."""
    try:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None


def lock_byte(descriptor: int, position: int) -> None:
    """Hold one byte of an open file until ``descriptor`` is closed or this process is gone.

    For files whose content another library opens as well: on Linux the lock belongs to this descriptor, so that
    closing another descriptor of the same file does not let it go.

    Args:
        descriptor: The file, open for writing.
        position: The byte, which may lie beyond the end of the file.

    Raises:
        BlockingIOError: Another process holds it.
        OSError: The file system knows no such locks.
    """
    try:
        if _OPEN_FILE_LOCK is not None:
            fcntl.fcntl(descriptor, _OPEN_FILE_LOCK, struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, position, 1, 0))
        else:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, position)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            raise BlockingIOError(error.errno, error.strerror) from None
        raise
