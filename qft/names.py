"""Names and texts of strangers: what may become a directory, a file or an id, and what a terminal is shown."""

import re
import unicodedata
from collections.abc import Collection
from pathlib import Path

from qft.errors import QftError

LONGEST = 200  # bytes of UTF-8: what is added to a name (a number, a suffix) still fits into a file system's 255
_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def one_name(key: str, name: str) -> str:
    """``name`` where it is one plain name of a directory. Raises QftError where it is a path or cannot be written."""
    wrong = None
    if not name.strip() or name in (".", ".."):
        wrong = "is no name"
    elif "/" in name or "\\" in name:
        wrong = "is a path; here one name is meant, without / and \\"
    elif _STEERING.search(name):
        wrong = "holds a control character"
    elif len(name.encode()) > LONGEST:
        wrong = f"is longer than {LONGEST} bytes"
    if wrong:
        raise QftError(f"{key}={shortened(name)} {wrong}.")
    return name


def place(key: str, given: str, file: bool = False) -> Path:
    """The path of a directory (or file) to be made or used. Raises QftError where it cannot be one; makes nothing."""
    path = Path(given)
    if not given.strip():
        raise QftError(f"{key}={given} names nothing.")
    for part in path.parts:
        if part not in ("/", "..", "."):
            one_name(key, part)
    try:
        if file and path.is_dir():
            raise QftError(f"{key}={shortened(given)} is a directory, not a file.")
        above = path.absolute().parents
        nearest_above = next(p for p in (above if file else (path, *above)) if p.exists() or p.is_symlink())
        if not nearest_above.is_dir():
            raise QftError(f"{key}={shortened(given)}: {shortened(str(nearest_above))} is no directory.")
    except OSError as error:
        raise QftError(f"{key}={shortened(given)} cannot be used: {error.strerror}.") from error
    return path


def slug(text: str, taken: Collection[str] = ()) -> str:
    """A file name and HTML id made of the text: letters, digits, ``_``, ``.`` and ``-``; unlike those ``taken``.

    Names are told apart without regard to case, as some file systems do.
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
    """The text with whatever could steer a terminal spelt out (``\\x1b``), less the characters in ``keep``.

    That is control characters, line breaks, marks that turn the direction of writing, and halves of characters.
    """
    return _STEERING.sub(lambda m: m[0] if m[0] in keep else _spelt(m[0]), text)


def visible_json(document: str) -> str:
    """A JSON document that means the same and steers no terminal: what JSON itself leaves as it is becomes \\uXXXX."""
    return _STEERING.sub(lambda m: m[0] if m[0] == "\n" else f"\\u{ord(m[0]):04x}", document)


def shortened(text: str, longest: int = 80) -> str:
    """The text, cut where it is too long for a sentence."""
    return text if len(text) <= longest else f"{text[:longest]}…"


def _spelt(character: str) -> str:
    short = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
    code = ord(character)
    return short.get(character) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")
