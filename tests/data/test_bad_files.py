"""Whatever lies where data should: one sentence with the file, the place in it and the reason, and no waiting."""

import builtins
import gzip
import io
import json
import os
import socket
from pathlib import Path

import pytest

from qft.data import rows as reading
from qft.data.datasets import alpaca, cpsycoun, jsonl
from qft.errors import QftError

GOOD = [{"prompt": f"question {k}", "response": "yes"} for k in range(30)]
LINES = "".join(json.dumps(r) + "\n" for r in GOOD)
CASE = "来访者：一\n心理咨询师：二\n"
HALF = json.dumps({"prompt": "question", "response": "a \ud83d half"})
BELOW = json.dumps({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "\udc00"}]})


def refused(path, load=jsonl.load):
    with pytest.raises(QftError) as error:
        load(path=str(path))
    said = str(error.value)
    assert "\n" not in said and len(said) < 600, said
    return said


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.jsonl", LINES + HALF, ["x.jsonl, line 31", "half a character", r"\ud83d"]),
        ("x.jsonl", LINES + BELOW, ["line 31", r"\udc00"]),
        ("x.jsonl", LINES + r'{"prompt\ud800": 1}', ["line 31", r"\ud800"]),
        ("x.json", f"[{HALF}]", ["x.json, row 1", r"\ud83d"]),
        ("x.jsonl", LINES + "[" * 500 + "]" * 500, ["line 31", "holds list"]),
        ("x.jsonl", LINES + "[" * 100_000, ["line 31", "broken JSON"]),
        ("x.jsonl", LINES + '{"prompt": ' + "[" * 500 + "]" * 500 + "}", ["line 31", "no column response"]),
        ("x.json", "[" * 100_000, ["line 1", "broken JSON"]),
        ("x.jsonl", LINES + '{"prompt": ' + "9" * 5000 + "}", ["line 31", "broken JSON"]),
        ("x.jsonl", LINES + "\0\0\0\n", ["line 31", "broken JSON"]),
        ("x.jsonl", json.dumps({"c" * 5000: 1, **{f"c{k}": 1 for k in range(500)}}), ["line 1", "and 481 more"]),
        ("x.csv", "a, " * 100_000 + "a\n1\n", ["line 1", "occurs twice"]),
        ("x.jsonl", gzip.compress(LINES.encode()), ["x.jsonl", "gzip", "unpack"]),
        ("x.csv", b"PK\x03\x04rest", ["x.csv", "zip"]),
        ("x.jsonl", b"PAR1rest", ["x.jsonl", "parquet", "rename"]),
        ("x.json", LINES.encode("utf-16"), ["line 1", "not UTF-8"]),
        ("x.csv", "prompt,response\rq,a\r", ["line 1", "broken CSV"]),
        ("x.csv", 'prompt,response\nq,"a\n', ["line 2", "broken CSV"]),
    ],
)
def test_contents(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    said = refused(tmp_path / name)
    assert all(word in said for word in words), said


@pytest.mark.parametrize("folder", [True, False])
def test_a_half_in_a_history_is_found_too(tmp_path, folder):
    row = {"instruction": "一", "output": "二", "history": [["\ud800", "四"]]}
    (tmp_path / "x.jsonl").write_text(json.dumps(row))
    for load in (alpaca.load, cpsycoun.load):
        assert "x.jsonl, line 1: holds half a character" in refused(tmp_path if folder else tmp_path / "x.jsonl", load)


def test_a_line_without_end(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "LONGEST_LINE", 1000)
    (tmp_path / "x.jsonl").write_text(LINES + "x" * 2000)
    assert "line 31: longer than 1,000 bytes" in refused(tmp_path / "x.jsonl")
    (tmp_path / "x.csv").write_text("prompt,response\n" + "x" * 2000)
    assert "line 2: longer than 1,000 bytes" in refused(tmp_path / "x.csv")


def test_parquet_of_other_types(tmp_path):
    import pyarrow
    import pyarrow.parquet

    tables = {
        "numbers": {"prompt": [1, 2], "response": ["a", "b"]},
        "times": {"messages": [[{"role": "user", "content": 3}]]},
        "bytes": {"prompt": [b"\xff", b"q"], "response": ["a", "b"]},
    }
    broken = pyarrow.array([b"\xff\xfe"]).view(pyarrow.binary()).cast(pyarrow.string(), safe=False)
    texts = pyarrow.StringArray.from_buffers(1, broken.buffers()[1], broken.buffers()[2])
    words = {"numbers": "row 1: column prompt holds int", "bytes": "row 1: column prompt holds bytes"}
    for name, columns in tables.items():
        pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / f"{name}.parquet")
        assert words.get(name, "row 1") in refused(tmp_path / f"{name}.parquet")
    pyarrow.parquet.write_table(pyarrow.table({"prompt": texts, "response": ["a"]}), tmp_path / "texts.parquet")
    assert "texts.parquet: not a readable parquet file" in refused(tmp_path / "texts.parquet")


def no_files(folder: Path, suffix: str) -> dict[str, Path]:
    """One of each kind that can bear a file's name and is none."""
    made = {kind: folder / f"{kind}.{suffix}" for kind in ("pipe", "socket", "nowhere", "loop")}
    os.mkfifo(made["pipe"])
    with socket.socket(socket.AF_UNIX) as bound:
        before = Path.cwd()
        os.chdir(folder)  # a socket's path is short
        bound.bind(made["socket"].name)
        os.chdir(before)
    made["nowhere"].symlink_to("absent")
    made["loop"].symlink_to(made["loop"].name)
    return made


@pytest.mark.parametrize("kind", ["pipe", "socket", "nowhere", "loop"])
def test_what_is_named_like_a_file_and_is_none(tmp_path, kind):
    kinds = no_files(tmp_path, "jsonl")
    for other in kinds.values():
        if other != kinds[kind]:
            other.unlink()
    (tmp_path / "good.jsonl").write_text(LINES)
    assert f"{kind}.jsonl cannot be read" in refused(tmp_path)
    assert kinds[kind].name in refused(kinds[kind])


@pytest.mark.parametrize("kind", ["pipe", "socket", "nowhere", "loop", "directory"])
def test_what_is_named_like_a_case_and_is_none(tmp_path, kind):
    (tmp_path / "case_1.txt").write_text(CASE)
    odd = tmp_path / "directory.txt" if kind == "directory" else no_files(tmp_path, "txt")[kind]
    if kind == "directory":
        odd.mkdir()
    odd.rename(tmp_path / "case_2.txt")
    for other in tmp_path.glob("[a-z]*.txt"):
        if not other.name.startswith("case"):
            other.unlink()
    if kind == "loop":
        (tmp_path / "case_2.txt").unlink()
        (tmp_path / "case_2.txt").symlink_to("case_2.txt")
    said = refused(tmp_path, cpsycoun.load)
    assert "case_2.txt cannot be read" in said and ("a directory" in said) == (kind == "directory")


@pytest.mark.parametrize(
    "path",
    [
        "x" * 5000,
        "x/" * 2500,
        "a\0b.jsonl",
        "~nobody-of-that-name/x.jsonl",
        "/dev/zero",
        "/dev/null",
        "\ud800",
        "x\ny",
        7,
    ],
)
def test_paths(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for load in (jsonl.load, cpsycoun.load):
        with pytest.raises(QftError, match=r"data\.path=") as error:
            load(path=path)
        assert len(str(error.value)) < 600


def test_no_permission_and_a_disk_that_fails(tmp_path, monkeypatch):
    """As root nothing is forbidden: the refusals of the system are made up."""
    (tmp_path / "x.jsonl").write_text(LINES)
    (tmp_path / "case_1.txt").write_text(CASE)

    def forbidden(*args, **options):
        raise PermissionError(13, "Permission denied")

    class Failing(io.BytesIO):
        def readline(self, *args):
            raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(io, "open", forbidden)  # what Path.open calls
        patch.setattr(builtins, "open", forbidden)
        assert "x.jsonl cannot be read (Permission denied)" in refused(tmp_path / "x.jsonl")
        assert "case_1.txt cannot be read (Permission denied)" in refused(tmp_path, cpsycoun.load)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda self, mode: Failing(LINES.encode()))
        assert "x.jsonl cannot be read (Input/output error)" in refused(tmp_path / "x.jsonl")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "iterdir", forbidden)
        for load in (jsonl.load, cpsycoun.load):
            assert f"{tmp_path} cannot be listed (Permission denied)" in refused(tmp_path, load)


def test_a_link_to_where_nobody_may_look_is_passed_by(tmp_path, monkeypatch):
    (tmp_path / "x.jsonl").write_text(LINES)
    (tmp_path / "secret").mkdir()
    whole = Path.is_dir

    def is_dir(self):
        if self.name == "secret":
            raise PermissionError(13, "Permission denied")
        return whole(self)

    monkeypatch.setattr(Path, "is_dir", is_dir)
    assert len(jsonl.load(path=str(tmp_path)).pool) == 27


def test_a_link_to_a_file_is_a_file(tmp_path):
    """As the caches of the hubs have them."""
    (tmp_path / "blob").write_text(LINES)
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "x.jsonl").symlink_to(tmp_path / "blob")
    assert len(jsonl.load(path=str(tmp_path / "set")).pool) == 27


@pytest.mark.parametrize("rows", ["0:" + "9" * 30, "9" * 30 + ":", "0:" + "9" * 5000, "0:-1", "1", "a:b"])
def test_rows_beyond_reason(tmp_path, rows):
    (tmp_path / "x.jsonl").write_text(LINES)
    if rows == "0:" + "9" * 30:
        assert len(jsonl.load(path=str(tmp_path), rows=rows).pool) == 27
    else:
        with pytest.raises(QftError, match=r"data\.rows"):
            jsonl.load(path=str(tmp_path), rows=rows)
