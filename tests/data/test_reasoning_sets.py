"""R1-Distill-SFT and the Chinese 110k set: layouts, formats, references; Alpaca and one's own rows."""

import csv
import json
import os
from pathlib import Path

import pytest
from hubs import modelscope

from qft.data.datasets import alpaca, chinese_r1_110k, jsonl, r1_distill_sft
from qft.data.messages import Message
from qft.errors import QftError

SHARED = Path(os.environ.get("QFT_SHARED") or Path(__file__).parents[2] / "../shared") / "data"
real = pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared (data/r1_distill_sft_gsm8k and data/alpaca)")

NULLS = {"verified": None, "quality_metrics": None}
LENGTHS = {"prompt_tokens_len": 3, "reasoning_content_tokens_len": 4, "content_tokens_len": 5}


def v0(k, **changed):
    text = f"<think>\n{k}+1={k + 1}\n</think>\n\nIt is \\boxed{{{k + 1}}}."
    row = {"id": f"r{k}", "reannotated_assistant_content": text, "problem": f"{k}+1?", "source": "s"}
    return row | {"solution": f"\\boxed{{{k + 1}}}"} | NULLS | changed


def v1(k, **changed):
    old = v0(k)
    asked = {"content": old["problem"], "role": "user"}
    text = old["reannotated_assistant_content"]
    row = {"id": f"r{k}", "reannotated_assistant_content": text, "source": "s"}
    row["reannotated_messages"] = [asked, {"content": text, "role": "assistant"}]
    row["messages"] = [asked, {"content": f"\\boxed{{{k + 1}}}", "role": "assistant"}]
    return row | {"source_dataset": "d"} | NULLS | changed


def plain(k, **changed):
    row = {"input": f"{k}+1?", "reasoning_content": f"{k}+1={k + 1}", "content": f"是\\boxed{{{k + 1}}}。"}
    return row | {"repo_name": "r", **LENGTHS, "score": 10} | changed


def sft(k, **changed):
    text = f"<think>\n{k}+1={k + 1}\n</think>\n\n是\\boxed{{{k + 1}}}。"
    row = {"instruction": f"{k}+1?", "input": "", "output": text}
    return row | {"repo_name": "r", **LENGTHS, "score": 10} | changed


def write(file, rows):
    """The rows in the format the file's name asks for."""
    if file.suffix == ".parquet":
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), file, row_group_size=25)
    elif file.suffix == ".csv":
        with file.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    elif file.suffix == ".json":
        file.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    else:
        file.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), encoding="utf-8")
    return str(file)


@pytest.mark.parametrize("suffix", ["jsonl", "json", "parquet", "csv"])
@pytest.mark.parametrize(
    ("module", "layouts"), [(r1_distill_sft, (v0, v1)), (chinese_r1_110k, (plain, sft))], ids=["r1", "110k"]
)
def test_both_layouts_give_the_same_in_every_format(tmp_path, module, layouts, suffix):
    if suffix == "csv":
        layouts = [one for one in layouts if one is not v1]  # messages are no text of a cell
    sources = [
        module.load(write(tmp_path / f"{one.__name__}.{suffix}", [one(k) for k in range(60)])) for one in layouts
    ]
    assert all(s.pool == sources[0].pool and s.test == sources[0].test for s in sources)
    (first,) = [s for s in sources[0].pool + sources[0].test if s.id == "row_0"]
    assert first.messages[0] == Message("user", "0+1?")
    assert first.messages[1].reasoning == "0+1=1" and first.messages[1].content.endswith(
        "\\boxed{1}" + first.messages[1].content[-1]
    )
    assert first.answer == "1"
    assert len(sources[0].test) == 6


def test_a_source_with_both_versions_is_read_in_the_one_asked_for(tmp_path):
    for version, row in (("v0", v0), ("v1", v1)):
        (tmp_path / version).mkdir()
        write(tmp_path / version / "train.parquet", [row(k + (100 if row is v1 else 0)) for k in range(30)])
    assert r1_distill_sft.load(str(tmp_path)).pool[0].messages[0].content.endswith("+1?")
    asked = [s.messages[0].content for s in r1_distill_sft.load(str(tmp_path), version="v1").pool]
    assert len(asked) == 27 and all(int(a[:-3]) >= 100 for a in asked)
    with pytest.raises(QftError, match="version=v2 does not exist"):
        r1_distill_sft.load(str(tmp_path), version="v2")


def test_the_solution_states_the_answer_before_what_the_model_wrote(tmp_path):
    rows = [v0(k, solution=None) for k in range(20)]
    rows[3] = v0(3, solution="So \\boxed{1} and then \\boxed{\\frac{1}{2}}.")
    rows[4] = v1(4, messages=None)
    rows[5] = v0(5, solution="no box")
    source = r1_distill_sft.load(write(tmp_path / "x.jsonl", rows))
    answers = {s.id: s.answer for s in source.pool + source.test}
    assert [answers[f"row_{k}"] for k in (2, 3, 4, 5)] == ["3", "\\frac{1}{2}", "5", "6"]


def test_only_rows_judged_right_are_verifiable(tmp_path):
    scores = [10, 0, None, 9, 10.0, "10"]
    rows = [plain(k, score=scores[k % 6]) for k in range(60)]
    rows[0] = plain(0, content="没有框。")
    source = chinese_r1_110k.load(write(tmp_path / "x.jsonl", rows))
    stated = {int(s.id[4:]) for s in source.pool + source.test if s.answer is not None}
    assert stated == {k for k in range(1, 60) if k % 6 in (0, 4, 5)}
    assert {int(s.id[4:]) for s in source.test} < stated


def test_the_fingerprint_knows_the_stated_answers(tmp_path):
    one = r1_distill_sft.load(write(tmp_path / "a.jsonl", [v0(k) for k in range(20)]))
    other = r1_distill_sft.load(write(tmp_path / "b.jsonl", [v0(k, solution="\\boxed{0}") for k in range(20)]))
    assert [s.messages for s in one.pool] == [s.messages for s in other.pool]
    assert one.fingerprint() != other.fingerprint()


LEFT_OUT = {
    "an empty answer": (v0(0, reannotated_assistant_content="<think>\na\n</think>\n\n "), "the answer is empty"),
    "a null answer": (v0(0, reannotated_assistant_content=None), "the answer is empty"),
    "an empty question": (v0(0, problem=" "), "the question is empty"),
    "reasoning without an end": (v0(0, reannotated_assistant_content="<think>\na"), "the reasoning has no </think>"),
    "turns out of order": (v1(0, reannotated_messages=[]), "its turns do not alternate"),
    "two different answers": (v1(0, reannotated_assistant_content="other"), "do not end on its reannotated_assistant"),
}


@pytest.mark.parametrize("kind", LEFT_OUT)
def test_rows_that_become_no_sample_are_named(tmp_path, kind):
    row, reason = LEFT_OUT[kind]
    source = r1_distill_sft.load(write(tmp_path / "x.jsonl", [*[v0(k) for k in range(1, 20)], row]))
    assert len(source.pool) + len(source.test) == 19
    (place,) = source.left_out
    assert place.startswith(f"{tmp_path / 'x.jsonl'}, line 20: ") and reason in place
    assert sum(n for k, n in source.counts.items() if k.startswith("rows left out: ")) == 1


REFUSED = {
    "r1, no column": (r1_distill_sft, {"a": 1}, r"line 20: no column reannotated_assistant_content\. Its columns: a"),
    "r1, neither layout": (r1_distill_sft, {"reannotated_assistant_content": "x"}, "problem, or reannotated_messages"),
    "r1, a number": (r1_distill_sft, v0(0, problem=7), "line 20: column problem holds int where text is needed"),
    "r1, no messages": (r1_distill_sft, v1(0, reannotated_messages="x"), "line 20: column reannotated_messages is not"),
    "r1, a turn's number": (
        r1_distill_sft,
        v1(0, reannotated_messages=[{"role": "user", "content": 7}, {"role": "assistant", "content": "x"}]),
        "turn 0 of line 20: column content holds int",
    ),
    "110k, no column": (chinese_r1_110k, {"input": "x", "text": "y"}, "no column content. Its columns: input, text"),
    "110k, score": (chinese_r1_110k, plain(0, score="high"), "line 20: column score holds 'high'"),
    "alpaca, no column": (alpaca, {"instruction": "x"}, "no column output. Its columns: instruction"),
    "alpaca, a list": (alpaca, {"instruction": "x", "output": ["y"]}, "column output holds list"),
    "jsonl, no column": (jsonl, {"text": "x"}, r"no columns of a conversation \(messages; instruction and output; "),
    "jsonl, half a pair": (jsonl, {"prompt": "x", "text": "y"}, "no column response. Its columns: prompt, text"),
    "jsonl, history": (jsonl, {"instruction": "x", "output": "y", "history": "z"}, "column history is not a list"),
}
GOOD = {
    r1_distill_sft: v0,
    chinese_r1_110k: plain,
    alpaca: lambda k: {"instruction": f"q{k}", "output": "a"},
    jsonl: lambda k: {"prompt": f"q{k}", "response": "a"},
}


@pytest.mark.parametrize("kind", REFUSED)
def test_rows_of_another_kind_are_refused_by_place_and_reason(tmp_path, kind):
    module, row, words = REFUSED[kind]
    with pytest.raises(QftError, match=words) as error:
        module.load(write(tmp_path / "x.jsonl", [*[GOOD[module](k) for k in range(1, 20)], row]))
    assert str(tmp_path / "x.jsonl") in str(error.value)


def test_nan_from_a_table_is_refused(tmp_path):
    rows = [{"instruction": f"q{k}", "output": "a"} for k in range(20)]
    file = tmp_path / "x.jsonl"
    write(file, rows)
    file.write_text(file.read_text() + '{"instruction": "q", "output": NaN}\n')
    with pytest.raises(QftError, match=r"line 21: broken JSON \(NaN is not JSON"):
        alpaca.load(str(file))


FORMS = {
    "messages": {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]},
    "messages, system": {
        "messages": [
            {"role": "system", "content": "s"},
            {"role": "user", "content": "q"},
            {"role": "assistant", "content": "a"},
        ]
    },
    "prompt": {"prompt": "q", "response": "a", "reasoning_content": None},
    "instruction": {"instruction": "q", "input": None, "output": "a", "history": None},
    "input alone": {"instruction": "", "input": "q", "output": "a"},
    "query": {"query": "q", "response": "a"},
    "question": {"question": "q", "answer": "a"},
    "sharegpt": {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]},
    "sharegpt, roles": {"conversations": [{"role": "User", "content": "q"}, {"role": "assistant", "content": "a"}]},
    "empty columns of other forms": {
        "messages": None,
        "instruction": None,
        "output": None,
        "query": "q",
        "response": "a",
    },
}
THOUGHT = {
    "messages": {
        "messages": [FORMS["messages"]["messages"][0], {"role": "assistant", "content": "a", "reasoning_content": "t"}]
    },
    "messages, within": {
        "messages": [FORMS["messages"]["messages"][0], {"role": "assistant", "content": "<think>t</think>a"}]
    },
    "prompt": {"prompt": "q", "response": "a", "reasoning_content": "t"},
    "prompt, within": {"prompt": "q", "response": "<think>\nt\n</think>\n\na"},
    "prompt, both": {"prompt": "q", "response": "<think>\nt\n</think>\n\na", "reasoning_content": "t\n"},
    "instruction": {"instruction": "q", "output": "<think>\nt\n</think>\n\na"},
}


@pytest.mark.parametrize(("forms", "reasoning"), [(FORMS, None), (THOUGHT, "t")], ids=["plain", "thought"])
def test_every_form_of_ones_own_rows_gives_the_same_messages(tmp_path, forms, reasoning):
    for name, row in forms.items():
        source = jsonl.load(write(tmp_path / "x.jsonl", [row, *[GOOD[jsonl](k) for k in range(30)]]))
        (mine,) = [s for s in source.pool + source.test if s.id == "row_0"]
        assert mine.messages == (Message("user", "q"), Message("assistant", "a", reasoning)), name
        assert source.counts.get("system texts left out", 0) == (name == "messages, system")


def test_reasoning_given_twice_and_differently_is_left_out(tmp_path):
    row = THOUGHT["prompt, both"] | {"reasoning_content": "other"}
    source = jsonl.load(write(tmp_path / "x.jsonl", [row, *[GOOD[jsonl](k) for k in range(30)]]))
    assert "line 1: the reasoning in the text is not the one in its own column" in source.left_out[0]


def test_earlier_turns_are_kept(tmp_path):
    rows = [{"instruction": "c", "output": "d", "history": [["a", "b"]]}, *[GOOD[alpaca](k) for k in range(30)]]
    source = alpaca.load(write(tmp_path / "x.json", rows))
    (mine,) = [s for s in source.pool + source.test if s.id == "row_0"]
    assert [m.content for m in mine.messages] == ["a", "b", "c", "d"]


def test_a_prefix_of_a_streamed_hub_is_all_that_is_taken(monkeypatch):
    """A counting stand-in for a set of two million rows."""
    taken, asked = [], []

    def endless(*args, **options):
        asked.append((args, options))
        return (taken.append(k) or v0(k) for k in range(2_000_000))

    monkeypatch.setattr("qft.data.sources.check_reachable", lambda *args: None)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("datasets.load_dataset", endless)
    source = r1_distill_sft.load(hub="hf", rows="0:300", test_rows="0:500")
    assert len(taken) == 500 and len(source.test) == 50
    assert asked == [(("ServiceNow-AI/R1-Distill-SFT", "v0"), {"split": "train", "streaming": True})]


def test_the_real_library_streams_no_shard_behind_the_prefix(tmp_path, monkeypatch):
    """datasets itself on a local directory: the second shard is broken, and never opened."""
    monkeypatch.setattr("qft.data.sources.check_reachable", lambda *args: None)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    write(tmp_path / "a.parquet", [plain(k) for k in range(100)])
    (tmp_path / "b.parquet").write_bytes(b"broken")
    source = chinese_r1_110k.load(hub="hf", repository=str(tmp_path), rows="0:60", test_rows="0:80")
    assert len(source.test) == 8
    with pytest.raises(QftError, match="could not be fetched"):
        chinese_r1_110k.load(hub="hf", repository=str(tmp_path))


def test_modelscope_fetches_no_file_behind_the_prefix(tmp_path, monkeypatch):
    for version in ("v0", "v1"):
        (tmp_path / version).mkdir()
        for part in range(3):
            write(tmp_path / version / f"train-{part}.parquet", [v0(k + 100 * part) for k in range(100)])
    fetched = modelscope(monkeypatch, tmp_path)
    source = r1_distill_sft.load(hub="modelscope", rows="0:150", test_rows="0:100")
    assert fetched == ["v0/train-0.parquet", "v0/train-1.parquet"]
    assert len(source.pool) == 140


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, r"data=jsonl needs its source: data\.path=DIR_OR_FILE"),
        ({"path": " "}, "needs its source"),
        ({"path": "nowhere"}, "data.path=nowhere does not exist"),
        ({"path": "x", "hub": "hf"}, "give one of them"),
        ({"hub": "hf"}, r"data\.hub=hf needs data\.repository=OWNER/NAME"),
        ({"hub": "hff"}, "Did you mean 'hf'"),
        ({"path": "x", "repository": "a/b"}, "say which: data.hub=hf"),
        ({"path": "x", "test_rows": "5"}, "data.test_rows=5 is not a range"),
    ],
)
def test_sources_that_cannot_be(options, words):
    with pytest.raises(QftError, match=words):
        jsonl.load(**options)


def test_a_directory_without_rows_is_no_source(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(QftError, match=r"holds no \.csv, \.json, \.jsonl, \.parquet file"):
        jsonl.load(str(tmp_path))


def test_alpaca_holds_out_the_hundred_rows_of_the_survey(tmp_path):
    rows = [GOOD[alpaca](k) for k in range(1100)]
    assert len(alpaca.load(write(tmp_path / "x.json", rows)).test) == 100


@real
def test_the_real_gsm8k_rows():
    source = r1_distill_sft.load(str(SHARED / "r1_distill_sft_gsm8k"), rows="0:2000")
    assert source.counts == {"rows read": 2000, "rows kept for training": 1950, "rows kept for the test": 50}
    assert all(s.answer and s.messages[1].reasoning for s in source.pool + source.test)


@real
def test_the_real_alpaca_rows():
    zh = alpaca.load(str(SHARED / "alpaca" / "alpaca_zh.json"))
    assert (len(zh.pool), len(zh.test)) == (892, 100)
    assert zh.counts["rows with the question of an earlier row dropped"] == 8  # counted apart: 992 different
    en = alpaca.load(str(SHARED / "alpaca" / "alpaca_en.json"))
    assert (len(en.pool), len(en.test)) == (886, 99)  # a tenth
    own = jsonl.load(str(SHARED / "alpaca" / "alpaca_en.json"))
    assert {s.messages for s in own.pool + own.test} == {s.messages for s in en.pool + en.test}
    assert {s.id for s in own.test} < {s.id for s in en.test}
