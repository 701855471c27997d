"""Reading json, jsonl, parquet and csv rows: the same rows from each, and the place named for each fault."""

import json

import pytest

from qft.data.files import row_files
from qft.data.rows import decode, numbered, read_rows
from qft.errors import QftError

ROWS = [{"a": "一", "b": None}, {"a": "two", "b": [["x", "y"]]}]


def test_every_format_gives_the_same_rows(tmp_path):
    import pyarrow
    import pyarrow.parquet

    lines = "\n".join(json.dumps(r, ensure_ascii=False) for r in ROWS)
    (tmp_path / "x.jsonl").write_text(lines, encoding="utf-8")
    (tmp_path / "lines.json").write_text(lines, encoding="utf-8")
    (tmp_path / "list.json").write_text(json.dumps(ROWS, indent=2), encoding="utf-8")
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), tmp_path / "x.parquet")
    for name in ("x.jsonl", "lines.json", "list.json", "x.parquet"):
        rows = list(read_rows(tmp_path / name))
        assert [r.data for r in rows] == ROWS, name
        assert [r.line for r in rows] == [1, 2], name


def test_lines_keep_their_numbers_past_blank_lines_bom_and_crlf(tmp_path):
    (tmp_path / "x.jsonl").write_bytes('\ufeff{"a": 1}\r\n\r\n{"a": 2}\r\n'.encode())
    rows = list(read_rows(tmp_path / "x.jsonl"))
    assert [(r.line, r.data["a"]) for r in rows] == [(1, 1), (3, 2)]
    assert rows[1].where == f"{tmp_path / 'x.jsonl'}, line 3"


def test_csv_cells_may_hold_line_ends_commas_and_quotes(tmp_path):
    (tmp_path / "x.csv").write_bytes('\ufeffa,b\r\n"一\n二","x, ""y"""\r\n\r\nc,\r\n'.encode())
    rows = list(read_rows(tmp_path / "x.csv"))
    assert [(r.line, r.data) for r in rows] == [(2, {"a": "一\n二", "b": 'x, "y"'}), (5, {"a": "c", "b": ""})]


def test_a_line_of_five_megabytes_is_read(tmp_path):
    (tmp_path / "x.jsonl").write_text(json.dumps({"a": "x" * 5_000_000}))
    (tmp_path / "x.csv").write_text("a\n" + "x" * 5_000_000)
    for name in ("x.jsonl", "x.csv"):
        assert len(next(read_rows(tmp_path / name)).text("a")) == 5_000_000


def parquet(file, rows, group):
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), file, row_group_size=group)


def test_only_the_wanted_positions_are_read(tmp_path):
    """Whatever is behind or between them may be broken: it is not looked at."""
    rows = [{"a": k} for k in range(40)]
    lines = [json.dumps(r) for r in rows]
    lines[10:20] = ["{broken"] * 10
    (tmp_path / "b.jsonl").write_text("\n".join(lines[:30]) + "\n{broken\n" * 9)
    parquet(tmp_path / "a.parquet", rows, group=10)
    for name in ("a.parquet", "b.jsonl"):
        found = list(numbered([tmp_path / name], range(5), range(25, 30)))
        assert [k for k, _ in found] == [row.data["a"] for _, row in found] == [0, 1, 2, 3, 4, *range(25, 30)]


def test_row_groups_that_are_not_wanted_are_not_read(tmp_path, monkeypatch):
    import pyarrow.parquet

    parquet(tmp_path / "a.parquet", [{"a": k} for k in range(1000)], group=100)
    read = []
    whole = pyarrow.parquet.ParquetFile.iter_batches
    monkeypatch.setattr(
        pyarrow.parquet.ParquetFile,
        "iter_batches",
        lambda self, row_groups: read.append(*row_groups) or whole(self, row_groups=row_groups),
    )
    assert [k for k, _ in numbered([tmp_path / "a.parquet"], range(3), range(550, 560))] == [0, 1, 2, *range(550, 560)]
    assert read == [0, 5]


def test_files_behind_the_last_position_are_not_asked_for(tmp_path):
    for k in range(3):
        (tmp_path / f"{k}.jsonl").write_text('{"a": 1}\n' * 10)
    asked = []

    def fetched():
        for k in range(3):
            asked.append(k)
            yield tmp_path / f"{k}.jsonl"

    assert [k for k, _ in numbered(fetched(), range(8, 20))] == list(range(8, 20))
    assert asked == [0, 1]


def test_a_folder_of_a_snapshot_is_chosen_by_name(tmp_path):
    for name in ("v0/a.parquet", "v1/a.parquet", "v1/b.parquet"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    assert [str(f.relative_to(tmp_path)) for f in row_files(tmp_path, "v1")] == ["v1/a.parquet", "v1/b.parquet"]
    assert len(row_files(tmp_path, "v2")) == len(row_files(tmp_path)) == 3


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.jsonl", b'{"a": 1}\n{"a": \n', ["line 2", "broken JSON"]),
        ("x.jsonl", b'{"a": 1}\n{"a": NaN}\n', ["line 2", "NaN is not JSON"]),
        ("x.jsonl", b'{"a": 1}\n[1]\n', ["line 2", "holds list"]),
        ("x.jsonl", b'{"a": 1}\n{"a": "\xb0\xa1"}\n', ["line 2", "not UTF-8", "0xb0"]),
        ("x.json", b'[{"a": 1},\n{"a" 2}]', ["line 2", "broken JSON"]),
        ("x.json", b'[{"a": 1}, "b"]', ["row 2", "holds str"]),
        ("x.json", b"3", ["holds int"]),
        ("x.json", b"", ["line 1", "broken JSON"]),
        ("x.parquet", b"PAR1 nothing", ["not a readable parquet file"]),
        ("x.parquet", b"", ["not a readable parquet file"]),
        ("x.txt", b"a,b", [".jsonl"]),
        ("x.csv", b"a,b\n1,2\n1,2,3\n", ["line 3", "3 cells for 2 columns"]),
        ("x.csv", b'a,b\n"1\n2",2\n1\n', ["line 4", "1 cells for 2 columns"]),
        ("x.csv", b'a,b\n1,"2\n', ["line 2", "broken CSV"]),
        ("x.csv", b"a,a\n1,2\n", ["line 1", "occurs twice"]),
        ("x.csv", b"a,b\n1,\xb0\xa1\n", ["line 2", "not UTF-8"]),
        ("x.jsonl", '{"a": 1}\n'.encode("utf-16"), ["line 1", "not UTF-8", "0xff"]),
    ],
)
def test_faults_name_file_place_and_reason(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(QftError) as error:
        list(read_rows(tmp_path / name))
    for word in [name, *words]:
        assert word in str(error.value)


def test_a_file_cut_off_at_any_byte_is_an_error_or_a_whole_prefix(tmp_path):
    whole = "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in ROWS).encode()
    for cut in range(len(whole)):
        (tmp_path / "x.jsonl").write_bytes(whole[:cut])
        try:
            rows = [r.data for r in read_rows(tmp_path / "x.jsonl")]
        except QftError:
            continue
        assert rows == ROWS[: len(rows)]


def test_missing_columns_and_wrong_types_are_named(tmp_path):
    (tmp_path / "x.jsonl").write_text('{"a": 1, "b": null}')
    row = next(read_rows(tmp_path / "x.jsonl"))
    with pytest.raises(QftError, match=r"line 1: no column c, d\. Its columns: a, b"):
        row.require("a", "c", "d")
    with pytest.raises(QftError, match="column a holds int"):
        row.text("a")
    assert row.text("b") == row.text("absent") == ""


def test_a_directory_stands_for_its_files_of_one_format(tmp_path):
    for name in ("b.jsonl", "a.jsonl", "README.md", "data/c.jsonl", ".cache/d.json", "dataset_infos.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    assert [f.name for f in row_files(tmp_path)] == ["a.jsonl", "b.jsonl", "c.jsonl"]
    (tmp_path / "a.parquet").write_text("")
    with pytest.raises(QftError, match=r"\.jsonl and \.parquet"):
        row_files(tmp_path)


def test_decode_counts_lines_up_to_the_fault(tmp_path):
    with pytest.raises(QftError, match="line 3: not UTF-8"):
        decode(b"one\ntwo\nthree \xff", tmp_path / "x.txt")
