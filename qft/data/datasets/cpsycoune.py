"""CPsyCounE: 45 Chinese counselling dialogues in nine topics, made to test with, in three forms.

As published, a folder a topic and a file a dialogue; ``Career/2.json``, shortened::

    ["求助者：最近工作压力很大。", "支持者：听到你的困扰，我能理解。", "求助者：总是怕失败。", "支持者：……"]

As text (``Career/2.txt``), a turn a paragraph; and as rows (.jsonl, .json, .csv, .parquet) in the columns that
``data=jsonl`` reads::

    求助者：最近工作压力很大。

    支持者：听到你的困扰，我能理解。

The client is 求助者 or 来访者, the counsellor 支持者, 心理咨询师 or 咨询师. A line without a label belongs to the turn
before it; turns of one speaker are merged, and closing turns of the client, which have no answer, cut and counted.
``data.split=test``, as its yaml has it, makes all of them the test set; otherwise see ``qft.data.assemble``.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

from qft.data import columns
from qft.data.assemble import assemble
from qft.data.datasets.base import Source, positions
from qft.data.files import SUFFIXES, list_folder, locate, open_data
from qft.data.messages import LeftOut, Messages, merge_turns
from qft.data.rows import Row, decode, read_rows
from qft.errors import QftError

TURNS = "turns"  # column of a row made of a file that is one dialogue
LABEL = re.compile(r"(求助者|来访者)\s*[：:]|(支持者|(?:心理)?咨询师)\s*[：:]")
EXPECTED = "a directory of dialogues (N.json or N.txt, in folders of topics), or a file of rows"


def load(path: str | None = None, rows: str | None = None, test_rows: str | None = None) -> Source:
    """Read the dialogues, in the order of folders and numbers; ``rows`` and ``test_rows`` are positions in it."""
    if path is None or not str(path).strip():
        raise QftError(f"data=cpsycoune needs its source, data.path=DIR_OR_FILE: {EXPECTED}.")
    pool, test = positions(rows), positions(test_rows, "data.test_rows")
    numbered = islice(enumerate(_read(locate(path, EXPECTED))), max(pool.stop, test.stop))
    return assemble("cpsycoune", ((k, row) for k, row in numbered if k in pool or k in test), read, pool, test)


def read(row: Row, counts: Counter[str]) -> tuple[Messages, str | None]:
    """A dialogue in any of the three forms -> messages."""
    if TURNS not in row.data:
        return columns.read(row, counts)
    turns: list[tuple[str, str]] = []
    for text in row.data[TURNS]:
        label = LABEL.match(text)
        if label:
            turns.append(("user" if label[1] else "assistant", text[label.end() :]))
        elif turns:
            turns[-1] = turns[-1][0], f"{turns[-1][1]}\n{text}"
        else:
            raise QftError(f"{row.where}: begins with {text[:20]!r}, where 求助者：(the client) is needed.")
    messages = merge_turns(turns, counts)
    if not messages:
        raise LeftOut("no pair of turns")
    return messages, None


def _read(place: Path) -> Iterator[Row]:
    number = count(1)
    for file in _files(place):
        for row in _dialogue(file) or read_rows(file):
            yield row if TURNS not in row.data else row._replace(line=next(number), unit="dialogue")


def _dialogue(file: Path) -> list[Row]:
    """The file as one row, if it is one dialogue; else nothing."""
    if file.suffix == ".txt":
        with open_data(file) as opened:
            lines = [line.strip() for line in decode(opened.read(), file).splitlines()]
        return [Row(file, 1, {TURNS: [line for line in lines if line]})]
    if file.suffix != ".json":
        return []
    with open_data(file) as opened:
        if not re.match(rb"(\xef\xbb\xbf)?\s*\[\s*\"", opened.read(4096)):
            return []
        opened.seek(0)
        text = decode(opened.read(), file)
    try:
        turns = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise QftError(f"{file}: broken JSON ({error}).") from None
    if other := next((turn for turn in turns if not isinstance(turn, str)), None):
        raise QftError(f"{file}: a turn holds {type(other).__name__} where text is needed.")
    return [Row(file, 1, {TURNS: turns})]


def _files(place: Path) -> list[Path]:
    """The files of dialogues of a directory and of the folders in it, by name, numbers by their value."""
    if place.is_file():
        return [place]
    inside = [f for each in list_folder(place) for f in (list_folder(each) if each.is_dir() else [each])]
    chosen = [f for f in inside if f.suffix in (".txt", *SUFFIXES) and not f.name.startswith(".")]
    if not chosen:
        raise QftError(f"data.path={place} holds no dialogues; give {EXPECTED}.")
    return sorted(chosen, key=lambda f: (f.parent.name if f.parent != place else "", _number(f), f.name))


def _number(file: Path) -> float:
    digits = re.search(r"\d+", file.stem)
    return int(digits[0]) if digits else float("inf")


def _example(k: int) -> str:
    """The three forms, told apart by the number of a dialogue."""
    asked, said = f"第{k}次来，我昨晚没睡好。", f"睡前第{k}件事是什么？"
    return json.dumps([f"求助者：{asked}", f"支持者：{said}"], ensure_ascii=False)


EXAMPLE = {f"{k}.json": _example(k) for k in range(1, 56)} | {
    "56.txt": "求助者：我怕考试。\n\n支持者：试试：\n1. 慢慢呼吸\n\n求助者：谢谢。\n",
    "57.jsonl": json.dumps({"query": "我怕水。", "response": "从什么时候开始的？"}, ensure_ascii=False) + "\n",
}
