"""General text: what ships with the project, files of a user's, and what is refused."""

from pathlib import Path

import pytest

from qft.data import general
from qft.errors import QftError


def test_the_prose_that_ships_is_two_languages_of_whole_paragraphs() -> None:
    texts = general.read("prose").texts
    chinese = [text for text in texts if not text.isascii()]
    assert (len(texts), len(chinese), len(set(texts))) == (40, 16, 40)
    assert all(text.endswith((".", "。")) and "\n" not in text and len(text) > 50 for text in texts)


def test_the_digest_is_of_the_texts_and_their_order() -> None:
    (one, two), other = (general.GeneralText(t).sha256 for t in (("a", "b"), ("b", "a"))), general.GeneralText(("ab",))
    assert len({one, two, other.sha256}) == 3 and general.GeneralText(("a", "b")).sha256 == one


def test_paragraphs_and_rows_of_a_file_are_texts(tmp_path: Path) -> None:
    paragraphs, rows = tmp_path / "t.txt", tmp_path / "t.jsonl"
    paragraphs.write_bytes("\ufeffOne.\r\n\r\n \r\nTwo\r\nlines.\n\n\n\n三。\n".encode())
    assert general.read(str(paragraphs)).texts == ("One.", "Two\nlines.", "三。")
    rows.write_text('{"text": " One. "}\n{"text": ""}\n{"text": "Two", "more": 1}\n')
    assert general.read(str(rows)).texts == ("One.", "Two")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("none.txt", None, "does not exist; give prose, demo, or a file"),
        ("empty.txt", b" \n\n ", "holds no text"),
        ("latin.txt", "Stra\xdfe".encode("latin-1"), "not UTF-8"),
        ("page.md", b"text", "is no file of texts"),
        ("rows.jsonl", b'{"texts": "a"}', "no column text. Its columns: texts"),
        ("number.jsonl", b'{"text": 1}', "column text holds int"),
        ("packed.txt", b"\x1f\x8b\x08\x00rest", "is a gzip file"),
    ],
)
def test_what_is_no_text_is_one_sentence(tmp_path: Path, name: str, content: bytes | None, words: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(QftError, match=words):
        general.read(str(tmp_path / name))
