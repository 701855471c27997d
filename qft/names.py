"""Names and texts from outside: what may become a directory, a file or an id, and what a terminal may be shown."""

import re
import unicodedata
from collections.abc import Collection
from pathlib import Path

from qft.errors import QftError

LONGEST = 200  # bytes of UTF-8; with a number or a suffix added, a name still fits into the 255 of a file system
_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def one_name(key: str, name: str) -> str:
    """``name``, if it is the name of one directory. Raises QftError where it is a path or cannot be written.

    ``key`` is the option it was given by, for the message.
    """
    problem = None
    if not name.strip() or name in (".", ".."):
        problem = "is not a name"
    elif "/" in name or "\\" in name:
        problem = "is a path; give one name, without / and \\"
    elif _STEERING.search(name):
        problem = "holds a control character"
    elif len(name.encode()) > LONGEST:
        problem = f"is longer than {LONGEST} bytes"
    if problem:
        raise QftError(f"{key}={shortened(name)} {problem}.")
    return name


def place(key: str, given: str, file: bool = False) -> Path:
    """The path of a directory, or with ``file`` of a file, to be made or used. Creates nothing.

    Args:
        key: The option it was given by, for the message.
        given: What the user gave.
        file: Whether it is to be a file.

    Raises:
        QftError: It is empty, has a part that cannot be a name, leads through a file, or cannot be accessed.
    """
    path = Path(given)
    if not given.strip():
        raise QftError(f"{key}={given} is empty.")
    for part in path.parts:
        if part not in ("/", "..", "."):
            one_name(key, part)
    try:
        if file and path.is_dir():
            raise QftError(f"{key}={shortened(given)} is a directory, not a file.")
        above = path.absolute().parents
        nearest_above = next(p for p in (above if file else (path, *above)) if p.exists() or p.is_symlink())
        if not nearest_above.is_dir():
            raise QftError(f"{key}={shortened(given)}: {shortened(str(nearest_above))} is not a directory.")
    except OSError as error:
        raise QftError(f"{key}={shortened(given)} cannot be used: {error.strerror}.") from error
    return path


def slug(text: str, taken: Collection[str] = ()) -> str:
    """A file name and HTML id made of the text: letters, digits, ``_``, ``.`` and ``-``.

    It differs from those ``taken`` in more than case, which some file systems ignore.
    """
    plain = unicodedata.normalize("NFC", text)
    plain = re.sub(r"[^\w.-]+", "-", plain).strip(".-") or "unnamed"
    plain = plain.encode()[: LONGEST - 20].decode(errors="ignore")
    used = {name.casefold() for name in taken}
    candidate, number = plain, 2
    while candidate.casefold() in used:
        candidate, number = f"{plain}-{number}", number + 1
    return candidate


def visible(text: str, keep: str = "") -> str:
    """The text with whatever could control a terminal spelt out (``\\x1b``), except the characters in ``keep``.

    These are control characters, line breaks, marks that change the direction of writing, and lone surrogates.
    """
    return _STEERING.sub(lambda m: m[0] if m[0] in keep else _spelt(m[0]), text)


def visible_json(document: str) -> str:
    """The same JSON document with ``\\uXXXX`` for what could control a terminal and JSON does not escape."""
    return _STEERING.sub(lambda m: m[0] if m[0] == "\n" else f"\\u{ord(m[0]):04x}", document)


def shortened(text: str, longest: int = 80) -> str:
    """The text, cut after ``longest`` characters to fit into a sentence."""
    return text if len(text) <= longest else f"{text[:longest]}…"


def _spelt(character: str) -> str:
    short = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
    code = ord(character)
    return short.get(character) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")
