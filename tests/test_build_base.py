"""scripts/build_base.py on a few texts: what is left out stays out, the same again, and a base that qft can train."""

import json
from pathlib import Path

import build_base
import pytest
from program import qft_here

from qft.data import general

SMALL = ["--vocabulary", "300", "--hidden", "16", "--layers", "1", "--heads", "2", "--mlp", "24", "--passes", "0.2"]
SMALL += ["--block", "32", "--context", "64", "--paragraphs"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts to learn, of which two are near samples that must not be seen."""
    folder = tmp_path_factory.mktemp("base")
    (folder / "texts").mkdir()
    texts = general.read("prose").texts
    (folder / "texts/a.txt").write_text("\n\n".join(texts[:20]))
    (folder / "texts/b.jsonl").write_text("".join(json.dumps({"text": t, "n": 1}) + "\n" for t in texts[19:30]))
    whole = " ".join(texts[3].upper().split()[2:20])
    (folder / "samples.jsonl").write_text(json.dumps({"question": f"So: {whole}?", "answer": texts[26]}) + "\n")
    return folder


def build(place: Path, name: str, *more: str) -> int:
    given = [str(place / "texts"), "--without", str(place / "samples.jsonl"), "--out", str(place / name)]
    return build_base.main([*given, *SMALL, *more])


def test_what_must_not_be_seen_is_left_out(place: Path) -> None:
    read = build_base.read([str(place / "texts")], paragraphs=True)
    samples = build_base.read([str(place / "samples.jsonl")], paragraphs=False)
    learned = build_base.corpus(read, samples, seed=0)
    texts = general.read("prose").texts
    assert (learned.left_out, learned.repeated, len(learned.held)) == (2, 1, 1)
    assert {*learned.texts, *learned.held} == {*texts[:30]} - {texts[3], texts[26]}
    assert build_base.corpus(iter(texts), iter(()), seed=1).texts != build_base.corpus(iter(texts), iter(()), 0).texts


def test_the_same_texts_give_the_same_weights_and_qft_takes_them(place: Path, monkeypatch, capfd) -> None:
    assert build(place, "one") == build(place, "two") == 0
    for name in ("model.safetensors", "tokenizer.json"):
        assert (place / "one" / name).read_bytes() == (place / "two" / name).read_bytes()
    readme = (place / "one/README.md").read_text()
    assert "2 that share 13 words in a row with samples.jsonl; 1 repeats" in readme and str(place) not in readme
    monkeypatch.chdir(place)
    assert qft_here("params", "model.path=one", "adapter=lora", "format=json") == 0
    assert json.loads(capfd.readouterr().out)["trainable"] > 0
    assert build(place, "one") == 2 and "exists" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("more", "words"),
    [(["--heads", "3"], "heads must divide hidden"), (["--block", "65"], "between 2 and context"),
     (["--without", "none.txt"], "TEXTS=none.txt does not exist"), (["--block", "64", "--passes", "0"], "above 0")],
)  # fmt: skip
def test_what_is_wrong_is_one_sentence(place: Path, more: list[str], words: str, capfd) -> None:
    assert build(place, "three", *more) == 2
    assert words in capfd.readouterr().err and not (place / "three").exists()
