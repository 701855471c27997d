"""A journal as a file: who may open it, how a new one appears, which machine it is on."""

import errno
import fcntl
import glob
import hashlib
import os
import secrets
import socket
import stat
import struct
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qft.errors import QftError
from qft.process.files import sync

_LOCK_AT = 2**62  # a byte that SQLite, which has locks of its own in the file, never touches
_MAGIC = b"SQLite format 3\0"


def claimed(real: Path, path: Path, write: bool) -> int:
    """An open descriptor of the file at ``real``, called ``path``; with ``write`` no other process has one.

    Keep it until SQLite has closed the file. The lock belongs to the file, whatever names lead to it. Raises QftError
    for what is no journal, has lost its content, has two names, or is in use.
    """
    how = os.O_RDWR if write else os.O_RDONLY
    fd = os.open(real, how | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        _check(fd, real, path)
        if write:
            _lock(fd, path)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _check(fd: int, real: Path, path: Path) -> None:
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode):
        raise QftError(f"{path} is not a journal of qft.")
    if found.st_size == 0:
        raise QftError(
            f"{path} is empty, which a journal never is: its content was lost, and nothing was sent. Put a copy of it "
            "back; to remove it, or to use another, sends and pays for all circuits again."
        )
    if os.pread(fd, 16, 0) != _MAGIC:
        raise QftError(f"{path} is not a journal of qft.")
    if found.st_nlink > 1:
        _drop_own_names(real, found)
        if os.fstat(fd).st_nlink > 1:
            raise QftError(
                f"{path} has a second name (a hard link), under which a crash would go unnoticed: keep one of them, or "
                "copy it (cp) and remove this one."
            )
    for suffix in ("-wal", "-shm"):
        if (beside := Path(f"{real}{suffix}")).exists():
            raise QftError(f"{beside} does not belong to {path}, whose content it would change: move it away.")


def _drop_own_names(real: Path, found: os.stat_result) -> None:
    """A process that was killed while the journal appeared left it under two names."""
    for other in real.parent.glob(f".{glob.escape(real.name)}.*.new"):
        if os.path.samestat(other.lstat(), found):
            other.unlink()


def _lock(fd: int, path: Path) -> None:
    try:
        if hasattr(fcntl, "F_OFD_SETLK"):  # else closing any descriptor of the file lets the lock go
            fcntl.fcntl(fd, fcntl.F_OFD_SETLK, struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, _LOCK_AT, 1, 0))
        else:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _LOCK_AT)
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        raise QftError(f"{path} is in use by another process.") from None


def check_same(fd: int, real: Path, path: Path) -> None:
    """Raise QftError where the name has come to mean another file since it was opened."""
    try:
        same = os.path.samestat(os.fstat(fd), real.lstat())
    except FileNotFoundError:
        same = False
    if not same:
        raise QftError(f"{path} was replaced while it was opened; try again.")


@contextmanager
def appearing(real: Path) -> Iterator[Path]:
    """An empty file beside ``real`` to write into; at the end it has that name, unless another came first."""
    new = real.with_name(f".{real.name}.{secrets.token_hex(8)}.new")
    os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666))
    try:
        yield new
        try:
            os.link(new, real)
        except FileExistsError:
            pass
        except OSError as error:  # file systems without hard links
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS):
                raise
            new.rename(real)
    finally:
        new.unlink(missing_ok=True)
        Path(f"{new}-journal").unlink(missing_ok=True)
    sync(real.parent)


def copied(real: Path, copy: Path) -> None:
    """Copy a file durably; ``copy`` is there whole or not at all."""
    with appearing(copy) as new, real.open("rb") as source, new.open("wb") as target:
        while part := source.read(2**20):
            target.write(part)
        target.flush()
        os.fsync(target.fileno())


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
