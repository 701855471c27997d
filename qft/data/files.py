"""Files and directories a user names as data. What cannot be read is refused in one sentence."""

import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import IO, TypeVar

from qft.errors import QftError
from qft.names import shortened

SUFFIXES = (".csv", ".json", ".jsonl", ".parquet")  # of files of rows
PACKED = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "zip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PAR1": "parquet",
}
Name = TypeVar("Name", bound=PurePath)


def locate(path: str, expected: str, option: str = "data.path") -> Path:
    """The file or directory that an option names.

    Args:
        path: What the user gave.
        expected: What to give, for the message: "a directory of case_N.txt files".
        option: The option it was given with.

    Raises:
        QftError: It does not exist, cannot be read, or is a pipe, a socket or a device.
    """
    named = f"{option}={shortened(str(path), 200)}"
    try:
        place = Path(str(path)).expanduser()
        kind = place.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise QftError(f"{named} does not exist; give {expected}.") from None
    except (OSError, ValueError, RuntimeError) as error:  # too long, no access, a NUL in it, ~ of no user
        raise QftError(f"{named} cannot be read ({_reason(error)}); give {expected}.") from None
    if not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):
        raise QftError(f"{named} is a pipe, a socket or a device; give {expected}.")
    return place


def list_folder(folder: Path) -> list[Path]:
    """What a directory holds, sorted by name. Raises QftError where it cannot be listed."""
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise QftError(f"{folder} cannot be listed ({_reason(error)}).") from None


def row_files(path: Path, folder: str | None = None) -> list[Path]:
    """The files of rows that ``path`` stands for: itself, or those of a directory, sorted and all in one format.

    Args:
        path: A file or a directory. A directory may be a snapshot of a hub: the folders in it are searched, too, but
            not hidden ones and not dataset_info.
        folder: If the directory has a folder of this name, only that one is searched.

    Raises:
        QftError: The directory cannot be listed, or holds files in two formats.
    """
    if path.is_file():
        return [path]
    outer = [f for f in list_folder(path) if not f.name.startswith(".")]
    inner = [f for d in outer if _is_folder(d) for f in list_folder(d)]
    inside = {f.relative_to(path): f for f in (*outer, *inner) if not _is_folder(f)}
    return [inside[name] for name in row_names(inside, str(path), folder)]


def row_names(names: Iterable[Name], place: str, folder: str | None = None) -> list[Name]:
    """Those of the names in a repository that are files of rows, sorted.

    Args:
        names: All its files, relative to its root.
        place: The repository, for the message.
        folder: If it has a folder of this name, only the files in it.

    Raises:
        QftError: They are in two formats. The same rows are often stored in both: reading all would double them.
    """
    chosen = sorted(n for n in names if n.suffix in SUFFIXES and len(n.parts) <= 2)
    chosen = [n for n in chosen if not any(p.startswith((".", "dataset_info")) for p in n.parts)]
    chosen = [n for n in chosen if n.parts[0] == folder] or chosen
    formats = sorted({n.suffix for n in chosen})
    if len(formats) > 1:
        raise QftError(f"{place} holds {' and '.join(formats)} files; give one file, or a directory with one format.")
    return chosen


@contextmanager
def open_data(path: Path) -> Iterator[IO[bytes]]:
    """Open a data file to be read.

    Raises:
        QftError: It cannot be opened, fails while it is read (in the block, too), does not fit into memory, or is
            packed in a way its name does not say.
    """
    try:
        if not path.is_file():  # opening a pipe would wait for ever
            raise QftError(f"{path} cannot be read ({_kind(path)}); keep only data files there.")
        with path.open("rb") as file:
            start = file.read(8)
            packed = next((name for magic, name in PACKED.items() if start.startswith(magic)), None)
            if packed and packed != path.suffix.removeprefix("."):
                raise QftError(f"{path} is a {packed} file whatever its name says; unpack or rename it.")
            file.seek(0)
            yield file
    except OSError as error:
        raise QftError(f"{path} cannot be read ({_reason(error)}).") from None
    except MemoryError:
        raise QftError(f"{path} does not fit into memory; split it, or store it as jsonl or parquet.") from None


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a link to a place that is closed to us
        return False


def _kind(path: Path) -> str:
    if path.is_dir():
        return "a directory"
    return "a broken link" if path.is_symlink() else "a pipe, a socket or a device"


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
