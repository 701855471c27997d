"""Files and directories a user names as data: found, listed and opened; what cannot be read is one sentence."""

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from qft.errors import QftError
from qft.names import shortened

PACKED = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "zip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PAR1": "parquet",
}


def located(path: str, wanted: str) -> Path:
    """The file or directory that ``data.path`` names. QftError where there is none; ``wanted``: what to give."""
    named = f"data.path={shortened(str(path), 200)}"
    try:
        place = Path(str(path)).expanduser()
        kind = place.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise QftError(f"{named} does not exist; give {wanted}.") from None
    except (OSError, ValueError, RuntimeError) as error:  # too long, no access, a NUL in it, ~ of nobody
        raise QftError(f"{named} cannot be read ({_reason(error)}); give {wanted}.") from None
    if not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):
        raise QftError(f"{named} is a pipe, a socket or a device; give {wanted}.")
    return place


def listed(folder: Path) -> list[Path]:
    """What a directory holds, by name. QftError where it cannot be listed."""
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise QftError(f"{folder} cannot be listed ({_reason(error)}).") from None


def is_folder(path: Path) -> bool:
    """Whether it is a directory; False where that cannot be known."""
    try:
        return path.is_dir()
    except OSError:  # a link to where we may not look
        return False


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """A data file, open to be read. QftError where that fails, then or while it is read, and for packed files."""
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


def _kind(path: Path) -> str:
    if path.is_dir():
        return "a directory"
    return "a link that leads nowhere" if path.is_symlink() else "no file; a pipe, a socket or a device"


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
