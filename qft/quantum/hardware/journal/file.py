"""A journal as a file: who may open it, what kind of file it is, which machine it is on."""

import hashlib
import os
import socket
import stat
import uuid
from pathlib import Path

from qft.errors import QftError
from qft.process.files import remove_second_names
from qft.process.locks import lock_byte

_LOCK_AT = 2**62  # a byte that SQLite, which has locks of its own in the file, never touches
_MAGIC = b"SQLite format 3\0"


def claim(real: Path, path: Path, write: bool) -> int:
    """Open a journal, and with ``write`` lock it; the lock belongs to the file, whatever names lead to it.

    Args:
        real: The file itself, links resolved.
        path: The name that messages call it by.
        write: No other process may have it open to write.

    Returns:
        The descriptor, to be kept open until SQLite has closed the file.

    Raises:
        QftError: The file is not a journal, has lost its content, has two names, or is in use.
    """
    how = os.O_RDWR if write else os.O_RDONLY
    fd = os.open(real, how | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        _check(fd, real, path)
        if write:
            lock_byte(fd, _LOCK_AT)
    except BlockingIOError:
        os.close(fd)
        raise QftError(f"{path} is in use by another process.") from None
    except BaseException:
        os.close(fd)
        raise
    return fd


def _check(fd: int, real: Path, path: Path) -> None:
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        raise QftError(f"{path} is not a journal of qft.")
    if status.st_size == 0:
        raise QftError(
            f"{path} is empty, which a journal never is: its content was lost, and nothing was sent. Put a copy of it "
            "back; to remove it, or to use another, sends and pays for all circuits again."
        )
    if os.pread(fd, 16, 0) != _MAGIC:
        raise QftError(f"{path} is not a journal of qft.")
    if status.st_nlink > 1:
        remove_second_names(real)
        if os.fstat(fd).st_nlink > 1:
            raise QftError(
                f"{path} has a second name (a hard link), under which a crash would go unnoticed: keep one of them, or "
                "copy it (cp) and remove this one."
            )
    for suffix in ("-wal", "-shm"):
        if (beside := Path(f"{real}{suffix}")).exists():
            raise QftError(f"{beside} does not belong to {path}, whose content it would change: move it away.")


def check_same(fd: int, real: Path, path: Path) -> None:
    """Raise QftError where the name has come to mean another file since it was opened."""
    try:
        same = os.path.samestat(os.fstat(fd), real.lstat())
    except FileNotFoundError:
        same = False
    if not same:
        raise QftError(f"{path} was replaced while it was opened; try again.")


def is_old(real: Path) -> bool:
    """Whether the file is a database without the number that marks journals since 0.2."""
    try:
        with real.open("rb") as file:
            head = file.read(72)
    except OSError:
        return False
    return head.startswith(_MAGIC) and head[68:72] == bytes(4)


def machine() -> str:
    """A hash that tells this machine from others, and its name."""
    try:
        identity = Path("/etc/machine-id").read_text().strip()
    except OSError:
        identity = ""
    name = socket.gethostname()
    seed = identity or f"{uuid.getnode():x} {name}"
    return f"{hashlib.sha256(f'qft journal {seed}'.encode()).hexdigest()[:16]} {name}"
