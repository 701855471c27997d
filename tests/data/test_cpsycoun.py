"""The CPsyCounD reader: each irregularity by a small example, and the real files where they are at hand."""

import json
import os
import socket
import sys
from pathlib import Path

import pytest
from hubs import modelscope

from qft.data.datasets.cpsycoun import EXAMPLE, load
from qft.data.messages import Message
from qft.data.prepare import split
from qft.errors import QftError

SHARED = Path(os.environ.get("QFT_SHARED") or Path(__file__).parents[2] / "../shared")
REAL = SHARED / "data" / "cpsycoun"
real = pytest.mark.skipif(not REAL.is_dir(), reason="needs ../shared (the CPsyCounD files in data/cpsycoun)")

PLAIN = {f"case_{n}.txt": f"来访者：问{n}\n\n心理咨询师：答{n}\n" for n in range(100, 160)}
FILLING = [{"instruction": f"问{n}", "input": "", "output": f"答{n}", "history": []} for n in range(100, 160)]


def write(folder, files):
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(folder)


def write_lines(file, rows):
    file.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), encoding="utf-8")
    return str(file)


def short(sample):
    return [(m.role[0], m.content) for m in sample.messages]


IRREGULAR = {
    "CRLF and byte order mark": (
        "\ufeff来访者：一\r\n\r\n心理咨询师：二\r\n".encode(),
        [("u", "一"), ("a", "二")],
        {"files with CRLF line ends": 1, "files with a byte order mark": 1},
    ),
    "runs of one speaker": (
        "来访者：一\n来访者：二\n心理咨询师：三\n\n心理咨询师：四",
        [("u", "一\n二"), ("a", "三\n四")],
        {"turns merged into one before of the same speaker": 2},
    ),
    "lines without a label": (
        "来访者：一\n心理咨询师：可以：\n1. 听音乐；\n2. 尊重：尊重她。\n\n您觉得呢？",
        [("u", "一"), ("a", "可以：\n1. 听音乐；\n2. 尊重：尊重她。\n您觉得呢？")],
        {"lines without a label joined to the turn before": 3},
    ),
    "narration in brackets": (
        "来访者：一（哭）\n（一段时间后）\n---\n……（此处省略）\n心理咨询师：（点头）二",
        [("u", "一（哭）"), ("a", "（点头）二")],
        {"bracketed narration and separator lines dropped": 3},
    ),
    "narration without brackets": (
        "来访者：一\n心理咨询师：二\n后续咨询中，心理咨询师教授了放松。\n后续对话略。",
        [("u", "一"), ("a", "二")],
        {"narration lines without brackets dropped": 2},
    ),
    "other speakers": (
        "来访者1：一\n来访者（姚先生）：二\n妈妈：三\nA：四\n心理咨询师：五",
        [("u", "来访者1：一\n来访者（姚先生）：二\n妈妈：三\nA：四"), ("a", "五")],
        {"other speakers relabelled as client": 4, "turns merged into one before of the same speaker": 3},
    ),
    "words that introduce a list are no speaker": (
        "来访者：一\n心理咨询师：二\n例如：三",
        [("u", "一"), ("a", "二\n例如：三")],
        {"lines without a label joined to the turn before": 1},
    ),
    "a role of the counsellor": (
        "来访者：一\n心理咨询师（扮演老人）：二",
        [("u", "一"), ("a", "二")],
        {"roles of the counsellor left out": 1},
    ),
    "doubled label": (
        "来访者：一\n来访者：心理咨询师：二",
        [("u", "一"), ("a", "二")],
        {"doubled labels, the last one kept": 1},
    ),
    "a name called is no label": (
        "来访者：心理咨询师，您好\n心理咨询师：二",
        [("u", "心理咨询师，您好"), ("a", "二")],
        {},
    ),
    "half-width colon": ("来访者:一\n心理咨询师: 二", [("u", "一"), ("a", "二")], {}),
    "closing client turn": (
        "来访者：一\n心理咨询师：二\n来访者：谢谢",
        [("u", "一"), ("a", "二")],
        {"closing client turns cut": 1},
    ),
    "opening counsellor turn": (
        "心理咨询师：您好\n来访者：一\n心理咨询师：二",
        [("u", "一"), ("a", "二")],
        {"opening counsellor turns cut": 1},
    ),
    "empty turns": (
        "来访者：一\n心理咨询师：二\n来访者：\n来访者",
        [("u", "一"), ("a", "二")],
        {"empty turns dropped": 2},
    ),
    "a label alone on its line": (
        "来访者：\n一\n心理咨询师：\n二",
        [("u", "一"), ("a", "二")],
        {"lines without a label joined to the turn before": 2},
    ),
    "lines before the first label": (
        "第一次咨询\n来访者：一\n心理咨询师：二",
        [("u", "一"), ("a", "二")],
        {"lines before the first label dropped": 1},
    ),
}


@pytest.mark.parametrize("kind", IRREGULAR)
def test_each_irregularity(tmp_path, kind):
    content, messages, counts = IRREGULAR[kind]
    source = load(write(tmp_path, PLAIN | {"case_7.txt": content}))
    assert source.pool[0].id == "case_7"
    assert short(source.pool[0]) == messages
    regular = load(write(tmp_path / "plain", PLAIN)).counts
    assert {k: n for k, n in source.counts.items() if k not in regular} == counts


def test_nothing_left_is_dropped_and_counted(tmp_path):
    source = load(write(tmp_path, PLAIN | {"case_7.txt": "来访者：一", "case_8.txt": ""}))
    assert source.counts["dialogues without a pair of turns dropped"] == 2
    assert len(source.pool) == 10


def test_the_test_set_is_the_last_50_by_number_whatever_the_rows(tmp_path):
    path = write(tmp_path, PLAIN | {"case_9.txt": "来访者：一\n心理咨询师：二"})
    last = [f"case_{n}" for n in range(110, 160)]
    for rows, pool in ((None, 11), ("0:5", 5), ("5:30", 6)):
        source = load(path, rows=rows)
        assert [s.id for s in source.test] == last
        assert len(source.pool) == pool
    assert load(path, rows="0:2").pool[0].id == "case_9"  # by number, not by letters
    assert load(path, rows="5:30").counts["selected dialogues held out for the test set"] == 19
    with pytest.raises(QftError, match="leaves no dialogue to train on"):
        load(path, rows="11:61")


def test_duplicates_never_cross_into_the_test_set(tmp_path):
    copies = {
        "case_1.txt": "来访者：问150\r\n心理咨询师：答150",  # the text of case_150, a test dialogue
        "case_2.txt": "来访者：一\n心理咨询师：二",
        "case_3.txt": "来访者：一\n心理咨询师：二",
        "case_160.txt": "来访者：问159\n心理咨询师：答159",  # twice within the test range: counted once there
    }
    source = load(write(tmp_path, PLAIN | copies))
    assert source.counts["duplicates of test dialogues dropped"] == 2  # case_1 and case_159
    assert source.counts["duplicate dialogues dropped"] == 1
    assert [s.id for s in source.pool[:2]] == ["case_2", "case_100"]
    assert len({s.messages for s in source.test}) == 50
    assert not {s.messages for s in source.pool} & {s.messages for s in source.test}


@pytest.mark.parametrize("form", ["jsonl", "json", "parquet", "directory"])
def test_the_hub_form_in_every_format(tmp_path, form):
    first = {"instruction": "三", "input": "四", "output": "五", "history": [["一", "二"]], "system": "你是咨询师"}
    rows = [first] + [r | {"system": None} for r in FILLING]
    file = tmp_path / f"d.{'jsonl' if form == 'directory' else form}"
    if form == "parquet":
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), file)
    elif form == "json":
        file.write_text(json.dumps(rows), encoding="utf-8")
    else:
        write_lines(file, rows)
    source = load(str(tmp_path if form == "directory" else file))
    assert source.pool[0].messages == tuple(
        Message(role, text)
        for role, text in [("user", "一"), ("assistant", "二"), ("user", "三\n四"), ("assistant", "五")]
    )
    assert [s.id for s in source.pool[:2]] == ["row_0", "row_1"]
    assert [s.id for s in source.test] == [f"row_{n}" for n in range(11, 61)]
    assert source.counts["system texts left out"] == 1


def test_the_hub_form_is_merged_and_cut_alike(tmp_path):
    rows = [{"instruction": "再见", "output": "", "history": [["一", "二"], ["", "三"]]}, *FILLING]
    source = load(write_lines(tmp_path / "d.jsonl", rows))
    assert short(source.pool[0]) == [("u", "一"), ("a", "二\n三")]
    assert source.counts["empty turns dropped"] == 2


def turn_by_turn(dialogues):
    """The form of the authors' notebook: a row for each turn, all turns before it in its history."""
    rows = []
    for messages in dialogues:
        pairs = [[a.content, b.content] for a, b in zip(messages[::2], messages[1::2], strict=True)]
        rows += [{"instruction": a, "input": "", "output": b, "history": pairs[:k]} for k, (a, b) in enumerate(pairs)]
    return rows


def test_a_row_for_each_turn_is_the_same_set(tmp_path):
    talks = [
        tuple(Message(role, f"{n}的{k}") for k in range(1 + n % 4) for role in ("user", "assistant")) for n in range(70)
    ]
    rows = turn_by_turn(talks)
    source = load(write_lines(tmp_path / "d.jsonl", rows))
    assert [s.messages for s in source.pool] == talks[:20] and [s.messages for s in source.test] == talks[20:]
    assert source.counts["rows that a longer one of their dialogue holds dropped"] == len(rows) - 70
    assert source.counts["dialogues in the source"] == 70
    part = load(str(tmp_path), rows="0:5")  # of dialogues
    assert [s.messages for s in part.pool] == talks[:5] and part.test == source.test
    shuffled = load(write_lines(tmp_path / "d.jsonl", sorted(rows, key=str)))
    assert {s.messages for s in shuffled.pool + shuffled.test} == set(talks)


def test_a_client_who_says_what_a_client_of_the_test_set_says_is_left_out(tmp_path):
    other = {"instruction": " 问150", "output": "别的回答", "history": []}
    source = load(write_lines(tmp_path / "d.jsonl", [other, *FILLING]))
    assert source.counts["dialogues with the words of a test dialogue's client dropped"] == 1
    assert len(source.pool) == 10


@real
def test_the_real_dialogues_row_by_row_are_the_real_dialogues(tmp_path):
    source = load(str(REAL), rows="0:1000")
    chosen = source.pool[:200] + source.test
    again = load(write_lines(tmp_path / "d.jsonl", turn_by_turn(s.messages for s in chosen)))
    assert [s.messages for s in again.pool + again.test] == [s.messages for s in chosen]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"instruction": "一", "output": "二"}, r"line 2: no column history\. Its columns: instruction, output"),
        ({"messages": []}, "no column instruction, output, history"),
        ({"instruction": 1, "output": "二", "history": []}, "line 2: column instruction holds int"),
        ({"instruction": "一", "output": "二", "history": [["一"]]}, "line 2: column history is not a list"),
        ({"instruction": "一", "output": "二", "history": [["一", None]]}, "line 2: column history is not a list"),
        ({"instruction": "一", "output": "二", "history": "无"}, "line 2: column history is not a list"),
    ],
)
def test_bad_rows_of_the_hub_form_are_named(tmp_path, row, words):
    with pytest.raises(QftError, match=words):
        load(write_lines(tmp_path / "d.jsonl", [FILLING[0], row]))


def test_a_broken_line_is_named(tmp_path):
    (tmp_path / "d.jsonl").write_text(json.dumps(FILLING[0]) + '\n{"instruction": "cut o')
    with pytest.raises(QftError, match=r"d\.jsonl, line 2: broken JSON"):
        load(str(tmp_path))


def test_a_file_that_is_not_utf8_is_named(tmp_path):
    path = write(tmp_path, PLAIN | {"case_7.txt": "来访者：一\n".encode() + "心理咨询师：二".encode("gb18030")})
    with pytest.raises(QftError, match=r"case_7\.txt, line 2: not UTF-8 \(byte 0x"):
        load(path)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "holds no dialogues; give a directory of case_N.txt"),
        ({"README.md": "x"}, "holds no dialogues"),
        ({"notes.txt": "x"}, r"notes\.txt, which is not a case_N\.txt"),
        ({"case_1.txt": "来访者：一\n心理咨询师：二", "case_1 (copy).txt": "x"}, r"case_1 \(copy\)\.txt"),
        ({"case_1.txt": "来访者：一\n心理咨询师：二"}, "last 50 are the test set"),
    ],
)
def test_directories_that_are_no_source(tmp_path, files, words):
    with pytest.raises(QftError, match=words):
        load(write(tmp_path, files))


def test_a_missing_source_says_what_to_give(tmp_path):
    with pytest.raises(QftError, match=r"data\.path=DIR_OR_FILE .* or data\.hub=hf or data\.hub=modelscope"):
        load()
    with pytest.raises(QftError, match=r"data\.path is empty"):
        load("")
    with pytest.raises(QftError, match="does not exist"):
        load(str(tmp_path / "absent"))
    with pytest.raises(QftError, match="give one of them"):
        load(str(tmp_path), hub="hf")
    with pytest.raises(QftError, match="Did you mean 'modelscope'"):
        load(hub="modelscop")
    (tmp_path / "case_1.txt").write_text("")
    with pytest.raises(QftError, match="holds no dialogues"):
        load(str(tmp_path / "case_1.txt"))


def test_an_unreachable_hub_names_the_local_option_at_once(monkeypatch):
    from huggingface_hub import constants

    with socket.socket() as closed:  # a port nobody listens on
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{closed.getsockname()[1]}")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        with pytest.raises(QftError, match=r"could not be fetched .* data\.path=DIR_OR_FILE"):
            load(hub="hf")


def test_rows_that_come_from_hugging_face(monkeypatch):
    monkeypatch.setattr("qft.data.sources.check_reachable", lambda *args: None)
    monkeypatch.setattr("datasets.load_dataset", lambda name, folder, split, streaming: FILLING)
    source = load(hub="hf", rows="0:5")
    assert (len(source.pool), len(source.test)) == (5, 50)


def test_rows_that_come_from_modelscope(tmp_path, monkeypatch):
    write_lines(tmp_path / "train.jsonl", FILLING)
    modelscope(monkeypatch, tmp_path)
    assert len(load(hub="modelscope", rows="0:5").pool) == 5


def test_modelscope_names_its_extra_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "modelscope", None)
    with pytest.raises(QftError, match=r"pip install 'qft\[modelscope\]'"):
        load(hub="modelscope")


def test_the_example_shows_irregular_files(tmp_path):
    source = load(write(tmp_path, EXAMPLE))
    assert source.counts["duplicate dialogues dropped"] == 1
    assert source.counts["other speakers relabelled as client"] == 2
    assert source.test[-1].id == "case_70"


@real
def test_every_real_file_is_read():
    source = load(str(REAL))
    assert all(s.problem() is None for s in source.pool + source.test)
    assert source.counts == {
        "dialogues in the source": 3084,
        "dialogues selected by rows": 3084,
        "dialogues kept for training": 3032,
        "dialogues kept for the test": 50,
        "selected dialogues held out for the test set": 50,
        "duplicate dialogues dropped": 2,  # case_1762 = 2274 = 2301
        "files with CRLF line ends": 2050,
        "turns merged into one before of the same speaker": 587,
        "lines without a label joined to the turn before": 1018,
        "other speakers relabelled as client": 53,
        "roles of the counsellor left out": 8,
        "bracketed narration and separator lines dropped": 871,
        "narration lines without brackets dropped": 7,
        "doubled labels, the last one kept": 1,
        "empty turns dropped": 3,  # two labels with a colon and one (case_1755) without
        "closing client turns cut": 730,
    }
    assert "case_1762" in {s.id for s in source.pool} and "case_2274" not in {s.id for s in source.pool}
    assert [s.id for s in source.test] == [f"case_{n}" for n in range(3084, 3134)]


@real
def test_the_first_thousand_real_files_are_all_usable():
    source = load(str(REAL), rows="0:1000")
    assert [s.id for s in source.pool] == [f"case_{n}" for n in range(1000)]
    # the recorded numbers were made with these
    assert source.fingerprint() == "ba927b8ba52f594cde3e806c7c9bd8b6ad260b7cce16afe6d86a11a309cd71ec"
    assert {n: split(source, n, {"name": "cpsycoun"}).summary.subset for n in (300, 600, 1000)} == {
        300: "f3100930394a90375bab6767fc6d0c0cadda5ab6c0c2ba90f399c1e332e21f8e",
        600: "59456db5fb7996bbb14d0d329b5408d1780c3a1d29ded118116323063bce1cc8",
        1000: "de3b4f3419dfe730c084dad4c08600aef34903d235135689020fbec0f8d1daff",
    }


@real
def test_the_listing_order_of_the_real_files_does_not_matter(monkeypatch):
    fingerprint = load(str(REAL)).fingerprint()
    listed = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda self: reversed(list(listed(self))))
    assert load(str(REAL)).fingerprint() == fingerprint
