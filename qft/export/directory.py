"""Where an export is written: a directory of its own, whole or not at all, never over something else."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qft.errors import QftError
from qft.export.card import write_card
from qft.names import one_name, place, shortened
from qft.process.files import remove, whole_directory
from qft.records import Export, Plain, write

TAGS = re.compile(r"\{%-?\s*(?:end)?generation\s*-?%\}")  # mark what is learned; other programs do not know them


def choose(out: str | None, run: Path, output_dir: str, kind: str, overwrite: bool) -> Path:
    """The directory to export into: ``out``, or RUN-KIND below ``output_dir``. Makes nothing.

    Raises:
        QftError: It cannot be used, or holds something that is not to be replaced.
    """
    given = out if out is not None else str(Path(output_dir) / f"{one_name('run', run.resolve().name)}-{kind}")
    path = place("out", given)
    if path.is_symlink():
        raise QftError(f"out={shortened(given)} is a link; name the directory itself.")
    if path.is_dir() and any(path.iterdir()):
        if not (path / Export.FILE).is_file():
            raise QftError(f"out={shortened(given)} is not empty and no export of qft; use another directory.")
        if not overwrite:
            raise QftError(f"{path} holds an export already; overwrite=true replaces it, out=DIR uses another one.")
    return path


@contextmanager
def new(path: Path) -> Iterator[Path]:
    """A directory to fill that takes the name ``path`` once everything is in it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
        with whole_directory(path) as temporary:
            if temporary.exists():
                remove(temporary)
            temporary.mkdir()
            yield temporary
    except OSError as error:
        raise QftError(f"{path} cannot be written: {error.strerror or error}.") from error


def add_tokenizer(folder: Path, tokenizer: Any, template: str) -> None:
    """Tokenizer and chat template: the one it was trained with, as other programs read it."""
    before = tokenizer.chat_template
    tokenizer.chat_template = TAGS.sub("", template)
    try:
        tokenizer.save_pretrained(str(folder))
    finally:
        tokenizer.chat_template = before


def finish(folder: Path, export: Export, header: Plain, body: str) -> None:
    """The card and, last, the record of what the directory holds."""
    write_card(folder, header, body)
    write(folder / Export.FILE, export)
