"""Files that are written whole or not at all, and that survive a power cut.

Nothing here follows a link: a directory that a stranger prepared must not lead a write elsewhere.
"""

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from qft.errors import QftError


def open_regular(path: Path, flags: int) -> int:
    """A descriptor of a regular file that lies at ``path`` itself, made if need be and never cut.

    Raises OSError where it cannot be had: ELOOP where the path is a link, EINVAL where it is no regular file.
    """
    # without O_NONBLOCK a pipe of that name would hold us up for ever
    descriptor = os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return descriptor


def open_append(path: Path) -> IO[str]:
    """A text file to write at the end of, as ``open_regular`` opens it."""
    return os.fdopen(open_regular(path, os.O_WRONLY | os.O_APPEND), "a", encoding="utf-8", errors="backslashreplace")


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; it is on the disk when this returns. Raises QftError where it cannot be."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.unlink(missing_ok=True)
        with os.fdopen(open_regular(temporary, os.O_WRONLY | os.O_EXCL), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise QftError(f"{path} cannot be written: {error.strerror}.") from error


def write_text(path: Path, text: str) -> None:
    """``write_bytes`` of UTF-8; a half of a character, which UTF-8 has no bytes for, is spelt out."""
    write_bytes(path, text.encode(errors="backslashreplace"))


@contextlib.contextmanager
def whole_directory(place: Path) -> Iterator[Path]:
    """A directory to write into, which takes the name ``place`` at the end, once all in it is on the disk.

    What had the name is removed then; where the writing fails, nothing has changed.
    """
    temporary = place.with_name(f".{place.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        sync_tree(temporary)
        if place.exists():
            shutil.rmtree(place)
        replace(temporary, place)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def replace(source: Path, target: Path) -> None:
    """Rename a file or directory that is on the disk, and put the new name there too."""
    source.replace(target)
    sync(target.parent)


def sync(path: Path) -> None:
    """Return when what the file holds, or which names the directory lists, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some file systems know no fsync of a directory
            raise
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """``sync`` of every file below the folder and of its directories, the innermost first; links are left alone."""
    for path, directories, files in os.walk(folder, topdown=False):
        for name in (*files, *directories):
            inner = Path(path, name)
            if inner.is_file() and not inner.is_symlink():
                sync(inner)
        sync(Path(path))


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files and directories of a process that was killed while writing."""
    for leftover in folder.glob(".*.tmp"):
        shutil.rmtree(leftover) if leftover.is_dir() and not leftover.is_symlink() else leftover.unlink()
