"""Names that become directories, files and ids, and what a terminal is shown of a stranger's text."""

import json

import pytest

from qft import names
from qft.errors import QftError, first_line


@pytest.mark.parametrize(
    "name",
    ["", " ", ".", "..", "a/b", "/a", "../a", "a\\b", "a\nb", "a\x1b[2J", "a\u202eb", "a\x00", "ä" * 101, "\udc80"],
)
def test_one_name_refuses(name: str) -> None:
    with pytest.raises(QftError, match="run="):
        names.one_name("run", name)


def test_one_name_takes_what_is_one() -> None:
    for name in ("a", "lora-demo-n300", "ä" * 100, "心理", "a..b", "a b", "-x", ".hidden"):
        assert names.one_name("run", name) == name


def test_slugs_are_file_names_told_apart() -> None:
    taken: list[str] = []
    for text in ("x/../../..", "x-..-..-..", '"><script>', "demo", "Demo", "..", "", "心理", "a" * 999, "a" * 998):
        taken.append(names.slug(text, taken))
    assert taken[:2] == ["x", "x-2"] and taken[2] == "script" and taken[3:5] == ["demo", "Demo-2"]
    assert len({t.casefold() for t in taken}) == len(taken)
    assert all(t not in ("", ".", "..") and "/" not in t and len(t.encode()) <= names.LONGEST for t in taken)


def test_nothing_steers_the_terminal() -> None:
    assert names.visible("a\x1b[2J\nb\x9b\u202e\ud800\t") == "a\\x1b[2J\\nb\\x9b\\u202e\\ud800\\t"
    assert names.visible("a\nb\t\x1b", keep="\n\t") == "a\nb\t\\x1b"
    assert names.visible("emoji 👩‍👩‍👧 心理 é") == "emoji 👩‍👩‍👧 心理 é"
    document = {"name": "a\x1b\x9b\u202e\n心", "n": [1, 2]}
    shown = names.visible_json(json.dumps(document, ensure_ascii=False, indent=2))
    assert json.loads(shown) == document and "\x9b" not in shown and "\u202e" not in shown and "心" in shown


@pytest.mark.parametrize(
    ("text", "line"), [("", "RuntimeError"), (" \n", "RuntimeError"), ("\n  why\nmore", "why"), ("why", "why")]
)
def test_the_first_line_of_an_error_is_never_empty(text: str, line: str) -> None:
    assert first_line(RuntimeError(text)) == line
