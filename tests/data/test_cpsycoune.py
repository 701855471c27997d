"""CPsyCounE in its three forms, and what a set for testing only becomes."""

import json
from pathlib import Path

import pytest

from qft.data import prepare
from qft.data.datasets import cpsycoune, demo
from qft.errors import QftError

TOPICS = ("Career", "Self-growth", "Sex")


def turns(topic: str, k: int) -> list[str]:
    return [
        f"求助者：{topic}的第{k}个问题。",
        "支持者：说说看。",
        f"求助者:还有{k}。",
        "支持者：好。",
        "求助者：谢谢。",
    ]


@pytest.fixture(params=["published", "texts", "rows"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Fifteen dialogues in three topics, with a README beside them."""
    (tmp_path / "README.md").write_text("# CPsyCounE")
    rows = []
    for topic in TOPICS:
        for k in (1, 2, 3, 4, 10):
            texts = turns(topic, k)
            if request.param == "rows":
                talk = [{"from": ("human", "gpt")[i % 2], "value": t[4:]} for i, t in enumerate(texts[:4])]
                rows.append(json.dumps({"conversations": talk}, ensure_ascii=False))
                continue
            (tmp_path / topic).mkdir(exist_ok=True)
            file = tmp_path / topic / f"{k}.{'json' if request.param == 'published' else 'txt'}"
            whole = json.dumps(texts, ensure_ascii=False) if request.param == "published" else "\n\n".join(texts)
            file.write_text(whole, encoding="utf-8")
    if rows:
        (tmp_path / "rows.jsonl").write_text("\n".join(rows), encoding="utf-8")
    return tmp_path


def only_test(folder: Path, **options: str) -> prepare.Parts:
    spec = {"_target_": "qft.data.datasets.cpsycoune.load", "name": "cpsycoune", "split": "test"}
    spec |= {"path": str(folder)} | options
    return prepare.split(prepare.load(spec), 300, spec)


def test_every_dialogue_is_a_test_dialogue_in_order(folder: Path) -> None:
    parts = only_test(folder)
    assert [s.messages[0].content for s in parts.test] == [
        f"{t}的第{k}个问题。" for t in TOPICS for k in (1, 2, 3, 4, 10)
    ]
    assert all(len(s.messages) == 4 and s.problem() is None for s in parts.test)
    assert (parts.train, parts.validation, parts.heldout) == ([], [], [])
    assert (parts.summary.test, parts.summary.train, parts.summary.available) == (15, 0, 0)
    assert [s.messages[0].content[:6] for s in only_test(folder, rows="5:7").test] == ["Self-g", "Self-g"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("1.json", '["求助者：a", 7]', "1.json: a turn holds int"),
        ("1.json", '["求助者：a"', "1.json: broken JSON"),
        ("1.json", '["医生：a"]', "begins with '医生：a'"),
        ("1.csv", "a,b\n1,2\n", "no columns of a conversation"),
        ("README.md", "nothing", "holds no dialogues"),
    ],
)
def test_what_is_no_dialogue_is_refused_by_its_file(tmp_path: Path, name: str, content: str, words: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(QftError, match=words):
        cpsycoune.load(str(tmp_path))


def test_a_dialogue_without_an_answer_is_left_out_by_its_place(tmp_path: Path) -> None:
    for k in range(1, 5):
        (tmp_path / f"{k}.json").write_text(json.dumps([f"求助者：{k}", "支持者：好。"][: 1 + (k != 2)]))
    assert cpsycoune.load(str(tmp_path)).left_out == [f"{tmp_path}/2.json, dialogue 2: no pair of turns"]


def test_duplicates_of_a_test_set_stay(tmp_path: Path) -> None:
    """As a benchmark has them: 1,319 rows are 1,319 answers, whichever repeat a question."""
    rows = [{"question": f"What is {k % 9}?", "answer": f"{k}\n#### {k}"} for k in range(20)]
    (tmp_path / "test.jsonl").write_text("\n".join(map(json.dumps, rows)))
    spec = {"_target_": "qft.data.datasets.jsonl.load", "name": "jsonl", "path": str(tmp_path / "test.jsonl")}
    parts = prepare.split(prepare.load(spec), 300, spec | {"split": "test"})
    assert [s.answer for s in parts.test] == [str(k) for k in range(20)]


def test_any_set_can_be_one_to_test_with() -> None:
    source = demo.load(rows="0:30")
    parts = prepare.split(source, 300, {"name": "demo", "split": "test"})
    assert {s.id for s in parts.test} == {s.id for s in source.pool + source.test} and len(parts.test) == 80
    with pytest.raises(QftError, match=r"data\.split=tset does not exist\. Did you mean 'test'"):
        prepare.split(source, 300, {"name": "demo", "split": "tset"})
