"""CPsyCounD: Chinese counselling dialogues, as published (a directory of ``case_N.txt``) or in the hub form.

``case_0.txt``, shortened::

    来访者：心理咨询师，我觉得我很自私，因为我总是关心自己的感受。

    心理咨询师：你能详细描述一下这种情况吗？

A row of the hub form (json, jsonl or parquet; one dialogue, the newest pair outside ``history``)::

    {"instruction": "多点了一些菜。", "input": "", "output": "这不是自私。", "history": [["我很自私。", "能说说吗？"]]}

What is done with the irregular files, each counted in ``Source.counts`` for the dialogues used:

* CRLF line ends and a byte order mark are read like any other; text that is not UTF-8 is an error.
* A label may carry a role or number: ``心理咨询师（扮演老人）：`` is the counsellor, the bracket left out;
  ``来访者1：``, ``来访者（姚先生）：`` and other speakers (``妈妈：``, ``A：``) become the client, their
  label kept in the text, so that it stays clear who spoke. Of two labels in a row the last one counts.
* A line without a label (list items, further paragraphs) belongs to the turn before it.
* Narration is dropped: a line wholly in brackets （一段时间后）, of dots or dashes only, or without a label
  and telling of the two in the third person (后续咨询中，心理咨询师……). Brackets within a turn stay.
* Empty turns are dropped, runs of one speaker merged with a newline between, closing client turns cut
  (they have no answer); a dialogue with nothing left is dropped.
* The hub form goes through the same merging and cutting; its ``system`` texts are left out, since a sample
  holds the two speakers only. Where it has a row for each turn (24,220 rows for CPsyCounD), the rows of one dialogue
  are counted and the longest is taken; ``rows`` then counts dialogues.

The last 50 dialogues by number, all different, are the test set whatever ``rows`` says. Of equal dialogues
in the pool the first is used, and none that equals a test dialogue or whose client says the same.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from qft.data.datasets.base import Source, parse_rows
from qft.data.duplicates import longest, prefixes, question
from qft.data.files import SUFFIXES, list_folder, locate, open_data, row_files
from qft.data.messages import Message, Sample, history, joined, merge_turns
from qft.data.rows import Row, decode, read_rows
from qft.data.sources import hub_rows
from qft.errors import QftError
from qft.progress import bar

HUB_ID = "CAS-SIAT-XinHai/CPsyCoun"
TEST_SIZE = 50

CASE = re.compile(r"case_([0-9]+)\.txt")
LABEL = re.compile(r"(来访者|(?:心理)?咨询师)([0-9]{1,2}|（[^（）]*）)?\s*(?:[：:]|$)\s*")
# Up to six letters before a colon and words after it are a name. The words excluded introduce a list instead.
OTHER = re.compile(r"(?!例如|比如|注意|建议|总结|备注|首先|其次|最后)[^\W\d_]{1,6}：(?=.)")
LIST_ITEM = re.compile(r"[0-9]+[.、．)）]|[-*•·]")
NARRATION = re.compile(r"[….\-—*]*(?:[（(【\[][^（）()]*[）)】\]])?[….\-—*]*")
THIRD_PERSON = re.compile(r"后续|.*(?:来访者|心理咨询师)")


@dataclass(frozen=True)
class Dialogue:
    """One dialogue and what was irregular in it."""

    id: str
    messages: tuple[Message, ...]
    counts: Counter[str]
    starts: list[bytes] = field(default_factory=list)  # of a row: its duplicates.prefixes


def load(path: str | None = None, hub: str | None = None, rows: str | None = None) -> Source:
    """Read local data by ``path``, or fetch it by ``hub`` (hf, modelscope). ``rows``: which dialogues, by position."""
    selection = parse_rows(rows)
    if path is not None and hub is not None:
        raise QftError("data.path and data.hub are both given; give one of them.")
    if hub is not None:
        fetched = bar(hub_rows(hub, HUB_ID), "rows read")
        return _split(_grouped(_from_row(k, row) for k, row in fetched), selection, HUB_ID)
    if path is None:
        raise QftError(
            "data=cpsycoun needs its source: data.path=DIR_OR_FILE for local data (a directory of case_N.txt "
            "files, or the hub form as json, jsonl or parquet), or data.hub=hf or data.hub=modelscope."
        )
    if not str(path).strip():
        raise QftError("data.path is empty; give a directory of case_N.txt files or a file in the hub form.")
    place = locate(path, "a directory of case_N.txt files or a file in the hub form")
    return _split(_read(place), selection, str(path))


def _read(place: Path) -> list[Dialogue]:
    texts = [f for f in list_folder(place) if f.suffix == ".txt" and f.name[0] != "."] if place.is_dir() else []
    others = [f.name for f in texts if not CASE.fullmatch(f.name)]
    if others:
        raise QftError(f"{place} holds {others[0]}, which is not a case_N.txt (N a number); keep only dialogues there.")
    if texts:
        cases = sorted(texts, key=lambda f: (int(CASE.fullmatch(f.name)[1]), f.name))  # type: ignore[index]
        return [_from_case(f) for f in bar(cases, "dialogues read")]
    files = [f for f in row_files(place) if f.suffix in SUFFIXES]
    if not files:
        raise QftError(
            f"{place} holds no dialogues; give a directory of case_N.txt files (case_0.txt, ...), or the "
            f"hub form as {', '.join(SUFFIXES)} (one file or a directory of them)."
        )
    rows = bar((row for f in files for row in read_rows(f)), "rows read")
    return _grouped(_from_row(k, row) for k, row in enumerate(rows))


def _from_case(file: Path) -> Dialogue:
    with open_data(file) as opening:
        raw = opening.read()
    counts = Counter({"files with CRLF line ends": int(b"\r\n" in raw)})
    counts["files with a byte order mark"] += raw.startswith(b"\xef\xbb\xbf")
    turns: list[tuple[str, str]] = []
    for line in decode(raw, file).splitlines():
        if line := line.strip():
            _read_line(line, turns, counts)
    return Dialogue(file.stem, merge_turns(turns, counts), counts)


def _read_line(line: str, turns: list[tuple[str, str]], counts: Counter[str]) -> None:
    if label := LABEL.match(line):
        text = line[label.end() :]
        while again := LABEL.match(text):
            counts["doubled labels, the last one kept"] += 1
            label, text = again, text[again.end() :]
        if label[1] != "来访者":
            counts["roles of the counsellor left out"] += bool(label[2])
            turns.append(("assistant", text))
        elif label[2]:
            counts["other speakers relabelled as client"] += 1
            turns.append(("user", f"{label[1]}{label[2]}：{text}"))
        else:
            turns.append(("user", text))
    elif NARRATION.fullmatch(line):
        counts["bracketed narration and separator lines dropped"] += 1
    elif OTHER.match(line):
        counts["other speakers relabelled as client"] += 1
        turns.append(("user", line))
    elif THIRD_PERSON.match(line) and not LIST_ITEM.match(line):
        counts["narration lines without brackets dropped"] += 1
    elif not turns:
        counts["lines before the first label dropped"] += 1
    else:
        counts["lines without a label joined to the turn before"] += 1
        role, text = turns[-1]
        turns[-1] = role, f"{text}\n{line}"


def _from_row(position: int, row: Row) -> Dialogue:
    row.require("instruction", "output", "history")
    counts = Counter({"system texts left out": int(bool(row.text("system").strip()))})
    newest = [joined(row, "instruction", "input"), row.text("output")]
    turns = [turn for a, b in [*history(row), newest] for turn in (("user", a), ("assistant", b))]
    starts = prefixes([text for _, text in turns])
    return Dialogue(f"row_{position}", merge_turns(turns, counts), counts, starts)


def _grouped(rows: Iterable[Dialogue]) -> list[Dialogue]:
    """Rows that continue each other are one dialogue: the longest of them, which counts the others."""
    read = list(rows)
    whole = longest({k: d.starts for k, d in enumerate(read)})
    holds = {start: k for k in sorted(whole, reverse=True) for start in read[k].starts}
    shorter = Counter(holds[d.starts[-1]] for k, d in enumerate(read) if k not in whole)
    kind = "rows that a longer one of their dialogue holds dropped"
    return [replace(read[k], counts=read[k].counts + Counter({kind: shorter[k]})) for k in sorted(whole)]


def _split(dialogues: list[Dialogue], selection: slice, name: str) -> Source:
    """Hold out the last 50 different dialogues; of the others, those selected become the pool."""
    test: dict[tuple[Message, ...], Dialogue] = {}
    for d in reversed(dialogues):
        if d.messages and len(test) < TEST_SIZE:
            test.setdefault(d.messages, d)
    held_out = {d.id for d in test.values()}
    tested = {question(_sample(d)) for d in test.values()}
    pool: dict[tuple[Message, ...], Dialogue] = {}
    selected = dialogues[selection]
    counts = Counter({"dialogues in the source": len(dialogues), "dialogues selected by rows": len(selected)})
    for d in selected:
        if d.id in held_out:
            counts["selected dialogues held out for the test set"] += 1
        elif not d.messages:
            counts["dialogues without a pair of turns dropped"] += 1
        elif d.messages in test:
            counts["duplicates of test dialogues dropped"] += 1
        elif question(_sample(d)) in tested:
            counts["dialogues with the words of a test dialogue's client dropped"] += 1
        elif d.messages in pool:
            counts["duplicate dialogues dropped"] += 1
        else:
            pool[d.messages] = d
    if len(test) < TEST_SIZE or not pool:
        raise QftError(
            f"{name} leaves no dialogue to train on: {len(dialogues)} in the source, {len(selected)} selected by "
            f"data.rows, and the last {TEST_SIZE} are the test set; give more data or other rows."
        )
    counts["dialogues kept for training"], counts["dialogues kept for the test"] = len(pool), len(test)
    chosen = {d.id for d in selected}
    for d in [*selected, *(d for d in test.values() if d.id not in chosen)]:
        counts.update(d.counts)
    return Source(_samples(pool.values()), _samples(reversed(test.values())), {k: n for k, n in counts.items() if n})


def _samples(dialogues: Iterable[Dialogue]) -> list[Sample]:
    return [_sample(d) for d in dialogues]


def _sample(dialogue: Dialogue) -> Sample:
    return Sample(dialogue.id, dialogue.messages)


_TWICE = "来访者：我和女儿吵架了。\n妈妈：她不听我的。\n心理咨询师：先听她说。\n心理咨询师：再说感受。\n"
EXAMPLE = {
    f"case_{n}.txt": f"来访者：第{n}次来，我昨晚没睡好。\n\n心理咨询师：睡前第{n}件事是什么？\n" for n in range(3, 66)
} | {
    "case_70.txt": "来访者：我怕考试。\r\n\r\n心理咨询师：试试：\r\n1. 慢慢呼吸\r\n（一会儿后）\r\n来访者：谢谢。\r\n",
    "case_1.txt": _TWICE,
    "case_2.txt": _TWICE,
}
