"""Files that are written whole or not at all, and that survive a power cut.

Nothing here follows a link: a directory that a stranger prepared must not lead a write elsewhere.
"""

import contextlib
import errno
import glob
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from qft.errors import QftError


def open_regular(path: Path, flags: int) -> int:
    """Open the regular file at ``path``, which is created if it is missing and never truncated.

    Args:
        path: The file itself, not a link to it.
        flags: As ``os.open`` takes them, such as ``os.O_RDWR``.

    Returns:
        A descriptor, to be closed by the caller.

    Raises:
        OSError: ELOOP for a link, EINVAL for anything else that is not a regular file, or what ``os.open`` raises.
    """
    # without O_NONBLOCK, opening a pipe of that name would wait for ever
    descriptor = os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return descriptor


def open_append(path: Path) -> IO[str]:
    """A UTF-8 text file to append to. Raises OSError like ``open_regular``."""
    return os.fdopen(open_regular(path, os.O_WRONLY | os.O_APPEND), "a", encoding="utf-8", errors="backslashreplace")


def write_through(file: IO[str], text: str) -> None:
    """Write ``text`` to an open file. It is on the disk when this returns."""
    file.write(text)
    file.flush()
    os.fsync(file.fileno())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all. It is on the disk when this returns.

    Raises:
        QftError: It cannot be written. What stood at ``path`` is unchanged.
    """
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
    """``write_bytes`` of UTF-8. Half a surrogate pair, which has no bytes in UTF-8, is spelt out (``\\ud800``)."""
    write_bytes(path, text.encode(errors="backslashreplace"))


@contextlib.contextmanager
def whole_directory(path: Path) -> Iterator[Path]:
    """Write a directory whole or not at all.

    Yields a path at which to create the directory. At the end it takes the name ``path``, once everything in it is on
    the disk, and replaces what was there. If the block raises, nothing has changed.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        sync_tree(temporary)
        if path.exists():
            shutil.rmtree(path)
        replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Create a file that is complete from the moment it exists, and never replaces another.

    Yields the path of an empty file to write and sync. At the end it takes the name ``path``, unless another process
    came first. A process that is killed in between may leave it under both names: see ``remove_second_names``.
    """
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666))
    try:
        yield new
        try:
            os.link(new, path)
        except FileExistsError:
            pass
        except OSError as error:  # file systems without hard links
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS):
                raise
            new.rename(path)
    finally:
        new.unlink(missing_ok=True)
    sync(path.parent)


def remove_second_names(path: Path) -> None:
    """Remove the other names that a killed ``new_file`` left to the file at ``path``."""
    status = path.lstat()
    for other in path.parent.glob(f".{glob.escape(path.name)}.*.new"):
        if os.path.samestat(other.lstat(), status):
            other.unlink()


def copy(source: Path, target: Path) -> None:
    """Copy a file to a new name. The copy is complete and on the disk as soon as it exists."""
    with new_file(target) as new, source.open("rb") as read, new.open("wb") as written:
        shutil.copyfileobj(read, written, 2**20)
        written.flush()
        os.fsync(written.fileno())


def replace(source: Path, target: Path) -> None:
    """Rename a file or directory whose content is on the disk already. The new name is on the disk on return."""
    source.replace(target)
    sync(target.parent)


def sync(path: Path) -> None:
    """Return once the content of a file, or the list of names in a directory, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some file systems cannot sync a directory
            raise
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """``sync`` every file and directory below ``folder``, the innermost first, then the folder. Links are skipped."""
    for path, directories, files in os.walk(folder, topdown=False):
        for name in (*files, *directories):
            inner = Path(path, name)
            if inner.is_file() and not inner.is_symlink():
                sync(inner)
        sync(Path(path))


def remove(path: Path) -> None:
    """Remove a file, a directory with everything in it, or a link (not what it points to)."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files and directories of a process that was killed while writing into ``folder``."""
    for leftover in folder.glob(".*.tmp"):
        remove(leftover)


def reason(error: OSError) -> str:
    """Why a file could not be opened, in words for a message: says so where it is a link."""
    return f"{error.filename} is a link" if error.errno == errno.ELOOP else error.strerror or str(error)
